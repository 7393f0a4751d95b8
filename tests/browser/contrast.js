// Texts in sight that stand out less from their ground than WCAG AA asks: 4.5 to 1, large ones 3 to 1.
() => {
  const channels = (said) => {
    const numbers = said.match(/\(([^)]+)\)/)[1].replace('srgb', '').trim().split(/[ ,/]+/).map(Number);
    const scale = said.startsWith('color(') ? 255 : 1;
    return [...numbers.slice(0, 3).map((one) => one * scale), numbers[3] ?? 1];
  };
  const over = (top, under) => under.map((one, at) => top[at] * top[3] + one * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(channels(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const luminance = (color) => {
    const [red, green, blue] = color.map((one) => {
      const share = one / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const faint = [];
  let looked = 0;
  for (const element of document.querySelectorAll('main *')) {
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || !element.offsetParent) continue;
    looked += 1;
    const style = getComputedStyle(element);
    const under = ground(element);
    const [bright, dark] = [luminance(over(channels(style.color), under)), luminance(under)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${element.className} ${element.textContent.trim()}`);
  }
  return {looked, faint};
}
