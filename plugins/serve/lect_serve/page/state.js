// How the server is: looked at again every few seconds while the page is seen.

import { ask } from "./ask.js";
import { byId, bytes, complain, counted, element } from "./elements.js";

const WORDS = { ready: "Ready", starting: "Loading its model", stopping: "Stopping", failed: "Could not start" };
let before = null;

// The state, or null where the server does not tell it.
export async function showState() {
  let found;
  try {
    found = await ask("page/state");
  } catch (error) {
    before = null;
    const wantsKey = error.status === 401;
    say(wantsKey ? "A key is needed" : "Not answering", "bad");
    complain("server-error", wantsKey ? null : error);
    byId("figures").replaceChildren();
    return wantsKey ? { state: "locked" } : null;
  }
  complain("server-error", null);
  const word = WORDS[found.state] ?? found.state;
  say(found.backbone ? `${word}: ${found.backbone.name} on ${found.device}` : word, found.state === "ready" ? "good" : "bad");
  byId("figures").replaceChildren(...figures(found, word));
  before = { ...found, at: performance.now() };
  return found;
}

// Said again only where it is another: a screen reader reads it out.
function say(text, kind) {
  byId("headline").className = kind;
  if (byId("headline").textContent !== text) byId("headline").textContent = text;
}

function figures(found, word) {
  const made = [figure("Health", word, `running for ${duration(found.uptime_seconds)}`)];
  if (!found.queue) return made;
  const { queue, memory } = found;
  const seconds = before?.queue && before.started === found.started ? (performance.now() - before.at) / 1000 : 0;
  const rate = (name) => (seconds > 0.5 ? Math.max(0, found[name] - before[name]) / seconds : null);
  const busy = rate("busy_seconds"), texts = rate("texts");
  made.push(
    figure("Queue", counted(queue.texts, "text"), `of at most ${queue.most.toLocaleString("en")}; a new one waits ${queue.wait_seconds} s`),
    figure("Load", busy === null ? "–" : `${Math.round(Math.min(1, busy) * 100)} % busy`,
      texts === null ? "measured in a moment" : `${texts.toFixed(1)} texts a second`),
    figure("Components in memory", String(memory.components), `${bytes(memory.bytes)} of at most ${bytes(memory.most_bytes)}`),
    figure("Answered since the start", counted(found.texts, "text"), `${counted(found.tokens, "token")} in ${counted(found.requests, "request")}`),
    figure("Backbone", found.backbone.name, `${found.precision}; fingerprint ${found.backbone.fingerprint.slice(0, 12)}`),
  );
  return made;
}

const figure = (name, value, more) => element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, more)));

function duration(seconds) {
  if (seconds < 120) return counted(seconds, "second");
  if (seconds < 7200) return counted(Math.round(seconds / 60), "minute");
  return seconds < 172800 ? counted(Math.round(seconds / 3600), "hour") : counted(Math.round(seconds / 86400), "day");
}
