// Ties the parts of the page together.

import { useKey } from "./ask.js";
import { addStack, answerAll, showStacks } from "./comparison.js";
import { listComponents, searchRegistries, showAttached, showComponents } from "./components.js";
import { byId } from "./elements.js";
import { gettext } from "./messages.js";
import { routeList } from "./routes.js";
import { showState } from "./state.js";

const EVERY = 5000;
const MOST_STACKS = 4;
let known = null;
let isLocked = false;

// Look at the server; the first time that it is ready, and whenever it is so again, at its components, too.
async function look() {
  const found = await showState();
  isLocked = found?.state === "locked";
  if (isLocked) byId("key-form").hidden = false;
  for (const id of ["content", "contents"]) byId(id).hidden = isLocked;
  if (found?.state !== "ready") known = null;
  else if (known === null) {
    known = found;
    showStacks(found.stacks.slice(0, MOST_STACKS));
    await listComponents(found);
  } else await showAttached(found);
}

async function lookOften() {
  // Without a key nothing new is said.
  if (document.visibilityState === "visible" && !isLocked) await look();
  setTimeout(lookOften, EVERY);
}

async function enterKey(event) {
  event.preventDefault();
  useKey(byId("key").value);
  byId("key").value = "";
  byId("key-state").textContent = "";
  known = null;
  await look();
  byId("key-state").textContent = isLocked ? gettext("This key is not known here.") : gettext("The key is accepted.");
}

addStack();
byId("add-stack").addEventListener("click", () => addStack().focus());
byId("try-form").addEventListener("submit", answerAll);
byId("filter").addEventListener("input", showComponents);
byId("search-form").addEventListener("submit", searchRegistries);
byId("close-card").addEventListener("click", () => byId("card").close());
byId("key-form").addEventListener("submit", enterKey);
byId("route-list").append(routeList());
lookOften();
