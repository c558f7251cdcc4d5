// Lets the search work where the site is opened from the disk: there a browser refuses a Worker, so its script runs in a
// hidden frame that takes and sends the same messages.
(() => {
  "use strict";
  if (location.protocol !== "file:") return;

  class FrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.frame = Object.assign(document.createElement("iframe"), { hidden: true });
      document.body.append(this.frame);
      const inner = this.frame.contentWindow;
      addEventListener("message", (event) => {
        if (event.source === inner) this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      });
      const page = inner.document;
      page.open();
      page.write(`<!doctype html><body><script>
        postMessage = (data) => parent.postMessage(data, "*");
        importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done, failed) => {
          document.body.append(Object.assign(document.createElement("script"), { src: url, onload: done, onerror: failed }));
        })), Promise.resolve());
      </${"script"}></body>`);
      page.close();
      this.ready = new Promise((done, failed) => {
        const script = page.createElement("script");
        page.body.append(Object.assign(script, { src: url, onload: done, onerror: failed }));
      });
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data, source: parent })));
    }

    set onmessage(listener) {
      this.addEventListener("message", listener);
    }

    terminate() {
      this.frame.remove();
    }
  }

  window.Worker = FrameWorker;
})();
