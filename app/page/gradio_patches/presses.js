// Presses wait in a list until a call takes them all (`take_presses` in presses.py).
// Not reported upstream: under trigger_mode "always_last" (Gradio 6.31) events during a call are answered by one more
// call, but with the data of the first of them, so that what was pressed last is lost.
const waiting = [];
element.closest('.block').presses = waiting;
const ask = (what) => {
  waiting.push(what);
  trigger('click');
};
