/* What is asked of the server: forms are sent as they are and answered in JSON, turns come as HTML. */
(() => {
  "use strict";
  const retinue = window.retinue;

  class Refusal extends Error {
    constructor(message, status) {
      super(message);
      this.status = status;
    }
  }

  async function reach(url, options) {
    try {
      return await fetch(url, { credentials: "same-origin", ...options });
    } catch {
      throw new Refusal(retinue.texts.unreachable, 0);
    }
  }

  /* Sends a form; gives the JSON answer. Throws a Refusal whose message is a sentence. */
  async function send(form, submitter, more = {}) {
    // Not as FormData: that would count each line break twice.
    const body = new URLSearchParams(new FormData(form, submitter || undefined));
    for (const [name, value] of Object.entries(more)) body.set(name, value);
    const response = await reach(submitter?.getAttribute("formaction") || form.getAttribute("action"), {
      method: "POST",
      body,
      headers: { Accept: "application/json" },
    });
    const isJson = (response.headers.get("Content-Type") || "").includes("json");
    const data = isJson ? await response.json() : {};
    if (response.ok && isJson) return data;
    const said = data.detail || (response.status === 403 ? retinue.texts.reload : retinue.texts.failed);
    throw new Refusal(said, response.status);
  }

  /* The first element of a page or fragment of this site that matches, or null. */
  async function fetchElement(url, selector) {
    const response = await reach(url, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Refusal(retinue.texts.failed, response.status);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const element = page.querySelector(selector);
    return element && document.importNode(element, true);
  }

  retinue.request = { send, fetchElement };
})();
