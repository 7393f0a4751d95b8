// `trigger` is Gradio's. Asks every few seconds whether the live release has changed, which costs the app next to
// nothing, and updates the page only then; once a minute in any case, for the ages that it shows.
const ROUNDS = 20;
let known = null;
let round = 0;
let misses = 0;
const look = async () => {
  if (document.hidden) return;
  const status = await fetch('readyz', {cache: 'no-store'}).then((answer) => answer.json()).catch(() => null);
  misses = status ? misses : misses + 1;
  document.body.classList.toggle('away', !status && misses > 1);
  if (!status) return;
  if (misses > 1) location.reload(); // an app that was restarted knows nothing of this page; its address does
  misses = 0;
  const {release, generation, stale, loading, store_error: fault, refused} = status;
  const now = JSON.stringify([release, generation, stale, loading, fault, refused?.release, refused?.reason]);
  round += 1;
  if (now !== known || round % ROUNDS === 0) trigger('click');
  known = now;
};
setInterval(look, 3000);
document.addEventListener('visibilitychange', look);
