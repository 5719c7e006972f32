// What both pages need: the demo app's API, and the state that the page is in.

const APP = "{{appId}}";

/** Calls an endpoint; answers its envelope. */
async function call(path, body, token) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const init = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  return (await fetch(path, init)).json();
}

const users = (endpoint) => `/api/AppUsers/${APP}/${endpoint}`;

const element = (id) => document.getElementById(id);

/** Shows the parts of the page that belong to the state, and says what goes on. */
function enter(state, message) {
  document.body.dataset.state = state;
  element("status").textContent = message;
  for (const part of document.querySelectorAll("[data-when]")) {
    part.hidden = !part.dataset.when.split(" ").includes(state);
  }
}

/** Fills a list of terms; what is empty is left out. */
function list(id, entries) {
  element(id).replaceChildren(
    ...entries
      .filter(([, value]) => value !== "" && value !== null && value !== undefined)
      .flatMap(([name, value]) => {
        const term = document.createElement("dt");
        const text = document.createElement("dd");
        term.textContent = name;
        text.textContent = value;
        return [term, text];
      }),
  );
}
