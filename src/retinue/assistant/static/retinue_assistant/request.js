/* What is asked of the server: forms are sent as they are and answered in JSON, turns come as HTML. */
(() => {
  "use strict";
  const retinue = window.retinue;

  class Refusal extends Error {
    constructor(message, status, code = "") {
      super(message);
      this.status = status;
      this.code = code;
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
    const url = submitter?.getAttribute("formaction") || form.getAttribute("action");
    const post = () => reach(url, { method: "POST", body, headers: { Accept: "application/json" } });
    let response = await post();
    if (await isForgery(response) && await renewTokens(body)) response = await post();
    if (response.ok && isJson(response)) return response.json();
    throw await refusalOf(response);
  }

  const isJson = (response) => (response.headers.get("Content-Type") || "").includes("json");

  /* Whether the form's token does not fit the cookie. */
  const isForgery = async (response) => isJson(response) && (await response.clone().json()).code === "csrf_failed";

  /* Whom a page is for: nobody, where it shows no chat, and an empty text, where it is for a guest. */
  const userOf = (page) => page.querySelector("[data-rt-chat]")?.dataset.user;

  /* Somebody has logged in again in another tab, or the cookie is gone: the page, loaded anew, has what fits. */
  async function renewTokens(body) {
    const name = "csrfmiddlewaretoken";
    const page = await fetchPage(window.location.href);
    const [user, successor] = [document, page].map(userOf);
    // Nothing is sent in the name of somebody who has not written it.
    if (user !== successor) throw user ? new Refusal(retinue.texts.loggedOut, 401) : new Refusal(retinue.texts.reload, 409);
    const fresh = page.querySelector(`[name="${name}"]`);
    if (!fresh) return false;
    for (const field of document.querySelectorAll(`[name="${name}"]`)) field.value = fresh.value;
    body.set(name, fresh.value);
    return true;
  }

  /* Why the server did not do it, and for some reasons what to do. */
  async function refusalOf(response) {
    const { texts } = retinue;
    const { detail, code } = isJson(response) ? await response.json() : {};
    const known = { 401: texts.loggedOut, 403: detail || texts.reload, 404: texts.gone };
    return new Refusal(known[response.status] || detail || texts.failed, response.status, code);
  }

  /* A page or fragment of this site. */
  async function fetchPage(url) {
    const response = await reach(url, { headers: { Accept: "text/html" } });
    if (!response.ok) throw await refusalOf(response);
    return new DOMParser().parseFromString(await response.text(), "text/html");
  }

  /* The first element there that matches, or null. */
  async function fetchElement(url, selector) {
    const element = (await fetchPage(url)).querySelector(selector);
    return element && document.importNode(element, true);
  }

  retinue.request = { send, fetchPage, fetchElement, refusalOf };
})();
