// Holds back the reply to a call until the event stream has named that call, or has ended.
// Not reported upstream: Gradio's client believes its event stream open until it reads "close_stream". If that message
// arrives after the reply to the next call, nothing fetches the result of that call until a later one opens a stream:
// the page stands still for up to a minute.
// (Client of Gradio 6.31: `submit` reads `stream_status.open`; `open_stream` clears it at "close_stream".)
(() => {
  const READ_BY = 1000; // ms after the connection closed the page has read all that came over it
  const plain = window.fetch;
  let stream = null;

  const follow = async (request) => {
    const mine = {request, told: '', ended: false, looks: new Set()}; // kept, so that its signal is
    const look = () => mine.looks.forEach((one) => one());
    const end = () => {
      mine.ended = true;
      look();
    };
    stream = mine;
    request.signal.addEventListener('abort', end); // Gradio aborts once it has read that the stream ends
    try {
      const answer = await plain(request);
      const decoder = new TextDecoder();
      const passed = new TransformStream({transform: (chunk, onwards) => {
        mine.told += decoder.decode(chunk, {stream: true});
        onwards.enqueue(chunk);
        look();
      }});
      answer.body.pipeTo(passed.writable).catch(() => {}).then(() => setTimeout(end, READ_BY));
      return new Response(passed.readable, answer);
    } catch (error) {
      end();
      throw error;
    }
  };

  const spokenOf = (call) => new Promise((resolve) => {
    const mine = stream;
    const look = () => {
      if (mine && !mine.ended && !mine.told.includes(call)) return;
      mine?.looks.delete(look);
      resolve();
    };
    mine?.looks.add(look);
    look();
  });

  window.fetch = async (asked, how) => {
    const {pathname} = new URL(asked.url ?? asked, location.href);
    if (pathname.endsWith('/queue/data')) return follow(new Request(asked, how));
    const answer = await plain(asked, how);
    if (pathname.endsWith('/queue/join') && answer.ok) await spokenOf((await answer.clone().json()).event_id);
    return answer;
  };
})();
