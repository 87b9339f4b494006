// Ties the parts of the page together.

import { ask, useKey } from "./ask.js";
import { addStack, answerAll, stacksTyped } from "./comparison.js";
import { listComponents, searchRegistries, showComponents } from "./components.js";
import { byId, complain, element, table } from "./elements.js";
import { showState } from "./state.js";

const EVERY = 5000;
let known = null;

async function look() {
  const found = await showState();
  // The first answer, and the first after a key was entered or the model was loaded.
  if (found?.state === "ready" && known === null) {
    known = found;
    if (!stacksTyped().some(Boolean)) {
      byId("stacks").replaceChildren();
      for (const stack of found.stacks.length ? found.stacks.slice(0, 4) : [""]) addStack(stack);
    }
    await listComponents(found.stacks);
    byId("registries-note").hidden = false;
    if (!found.registries.length) byId("registries-note").textContent = "The server's settings name no registries.";
    else if (!found.has_admins) byId("registries-note").textContent = "The server has no key with admin = true, so nobody can load from here.";
  }
}

async function lookOften() {
  if (document.visibilityState === "visible") await look();
  setTimeout(lookOften, EVERY);
}

async function showRoutes() {
  try {
    const { paths } = await ask("openapi.json");
    complain("routes-error", null);
    const rows = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, route]) =>
      element("tr", {},
        element("th", { scope: "row" }, element("code", {}, `${method.toUpperCase()} ${path}`)),
        element("td", {}, (route.description ?? route.summary ?? "").replaceAll("`", "")),
      )));
    byId("route-table").replaceChildren(table("Routes", ["Route", "What it is"], rows));
    byId("show-routes").hidden = true;
    byId("route-table").focus();
  } catch (error) {
    complain("routes-error", error);
  }
}

addStack();
byId("add-stack").addEventListener("click", () => addStack().focus());
byId("try-form").addEventListener("submit", answerAll);
byId("filter").addEventListener("input", showComponents);
byId("search-form").addEventListener("submit", searchRegistries);
byId("show-routes").addEventListener("click", showRoutes);
document.addEventListener("components-changed", () => listComponents(known?.stacks ?? []));
byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  useKey(byId("key").value);
  byId("key").value = "";
  byId("key-state").textContent = "The key is used from now on.";
  known = null;
  await look();
});
lookOften();
