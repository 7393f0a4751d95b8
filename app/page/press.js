// `element` and `trigger` are Gradio's. What a press means is written on what is pressed; the server answers with new
// HTML, which Gradio lays over the old. Focus, open panels and the address are kept here. `ask` is that of
// gradio_patches/presses.js, which runs before.
const wide = matchMedia('(min-width: 900px)');
const opened = new Set();
let focusNext = null;
let address = null;

const press = (pressed, what) => {
  focusNext = pressed.dataset.then ?? pressed.dataset.key ?? null;
  ask(what);
};

element.addEventListener('click', (event) => {
  const pressed = event.target.closest('[data-press]');
  if (!pressed || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  press(pressed, JSON.parse(pressed.dataset.press));
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  press(event.submitter ?? event.target, {price: [...event.target.querySelectorAll('input')].map((field) => field.value)});
});
const panel = element.closest('[role="tabpanel"]');
// Escape takes the filters away; in an input field, the words
panel?.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  if (event.target.closest('.ask') && element.querySelector('[data-answer]')) ask({reset: true});
  else if (element.contains(event.target)) element.querySelector('[data-key="clear"]')?.click();
});
element.addEventListener('toggle', ({target}) => {
  if (target.matches('.filters') && wide.matches) return;
  opened[target.open ? 'add' : 'delete'](target.dataset.key);
}, true);
// an image whose product has left the catalogue says so instead of showing a broken icon
element.addEventListener('error', (event) => event.target.closest?.('.frame')?.classList.add('gone'), true);

const sameQuery = (one, other) => new URLSearchParams(one).toString() === new URLSearchParams(other).toString();
const settle = () => {
  for (const fold of element.querySelectorAll('details[data-key]')) {
    const open = opened.has(fold.dataset.key) || (wide.matches && fold.matches('.filters'));
    if (fold.open !== open) fold.open = open;
  }
  const shown = element.querySelector('[data-address]')?.dataset.address ?? null;
  if (shown !== null && shown !== address && !sameQuery(shown, location.search)) {
    history.pushState(null, '', shown || location.pathname);
  }
  address = shown ?? address;
};
new MutationObserver(() => {
  settle();
  if (focusNext === null) return;
  const next = element.querySelector(`[data-key="${CSS.escape(focusNext)}"]`) ?? element.querySelector('[data-key]');
  if (next && (element.contains(document.activeElement) || document.activeElement === document.body)) next.focus();
  focusNext = null;
}).observe(element, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-answer']});
wide.addEventListener('change', settle);
window.onpopstate = () => location.reload();
settle();
