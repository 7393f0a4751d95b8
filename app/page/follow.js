// `trigger` is Gradio's. Looks every few seconds whether the live release changed, which costs the app next to nothing,
// and has the page drawn anew only then; once a minute in any case, for what it says about time.
const ROUNDS = 20;
let known = null;
let round = 0;
let misses = 0;
const look = async () => {
  if (document.hidden) return;
  const told = await fetch('readyz', {cache: 'no-store'}).then((answer) => answer.json()).catch(() => null);
  misses = told ? misses : misses + 1;
  document.body.classList.toggle('away', !told && misses > 1);
  if (!told) return;
  if (misses > 1) location.reload(); // started anew, the app knows nothing of this page; its address does
  misses = 0;
  const {release, generation, stale, loading, store_error: fault, refused} = told;
  const now = JSON.stringify([release, generation, stale, loading, fault, refused?.release, refused?.reason]);
  round += 1;
  if (now !== known || round % ROUNDS === 0) trigger('click');
  known = now;
};
setInterval(look, 3000);
document.addEventListener('visibilitychange', look);
