// Requests to the server that this page came from. Addresses are relative: it may stand behind a prefix.

let key = "";

// Held in this variable alone: closing or reloading the page forgets it.
export function useKey(given) {
  key = given.trim();
}

export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export async function ask(path, body) {
  const headers = { accept: "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  const request = { headers, method: "GET", credentials: "same-origin" };
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    Object.assign(request, { method: "POST", body: JSON.stringify(body) });
  }
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Refusal("The server cannot be reached.", 0);
  }
  let values;
  try {
    values = await answer.json();
  } catch {
    throw new Refusal(`The server answered ${answer.status}, and not in JSON.`, answer.status);
  }
  if (!answer.ok) throw new Refusal(sentence(values, answer), answer.status);
  return values;
}

// What the server says is wrong, as a sentence.
function sentence(values, answer) {
  const said = values?.error?.message ?? values?.error;
  const line = typeof said === "string" && said ? said : `the server answered ${answer.status}`;
  const after = answer.headers.get("retry-after");
  const wait = after ? ` (${after} ${after === "1" ? "second" : "seconds"} from now)` : "";
  // A word of a sentence, and not a component's name.
  const start = /^[a-z]+ /.test(line) ? line[0].toUpperCase() : line[0];
  return `${start}${line.slice(1).replace(/\.$/, "")}${wait}.`;
}
