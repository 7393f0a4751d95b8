// Holds back the reply to a call until the event stream has named that call, or has ended.
// Not reported upstream: Gradio's client believes its event stream open until it reads "close_stream". If that message
// arrives after the reply to the next call, nothing fetches the result of that call until a later one opens a stream:
// the page stands still for up to a minute.
// (Client of Gradio 6.31: `submit` reads `stream_status.open`; `open_stream` clears it at "close_stream".)
(() => {
  const READ_BY = 1000; // ms after the connection closed the page has read all that came over it
  const originalFetch = window.fetch;
  let stream = null;

  const follow = async (request) => {
    const current = {request, received: '', ended: false, looks: new Set()}; // held, so that its signal lives
    const look = () => current.looks.forEach((one) => one());
    const end = () => {
      current.ended = true;
      look();
    };
    stream = current;
    request.signal.addEventListener('abort', end); // Gradio aborts once it has read that the stream ends
    try {
      const answer = await originalFetch(request);
      const decoder = new TextDecoder();
      const passed = new TransformStream({transform: (chunk, onwards) => {
        current.received += decoder.decode(chunk, {stream: true});
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

  const named = (call) => new Promise((resolve) => {
    const current = stream;
    const look = () => {
      if (current && !current.ended && !current.received.includes(call)) return;
      current?.looks.delete(look);
      resolve();
    };
    current?.looks.add(look);
    look();
  });

  window.fetch = async (resource, options) => {
    const {pathname} = new URL(resource.url ?? resource, location.href);
    if (pathname.endsWith('/queue/data')) return follow(new Request(resource, options));
    const answer = await originalFetch(resource, options);
    if (pathname.endsWith('/queue/join') && answer.ok) await named((await answer.clone().json()).event_id);
    return answer;
  };
})();
