// Puts what the gateway tells of into the page. The HTML is made, and escaped, on the gateway.
"use strict";
{
  const live = document.getElementById("live");
  const say = (isLive, words) => {
    live.textContent = words;
    document.body.classList.toggle("stale", !isLive);
  };
  const stream = new EventSource(document.body.dataset.events);
  stream.onopen = () => say(true, "live");
  stream.onmessage = (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) {
      document.getElementById(id).innerHTML = html;
    }
  };
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) return say(false, "connecting again …");
    say(false, "not live");
    setTimeout(() => location.reload(), 5000); // the session is over, or too many watch
  };
  addEventListener("pagehide", () => stream.close());
}
