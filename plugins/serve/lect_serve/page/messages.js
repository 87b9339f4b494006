// What the page says, in the language in which the server sent it; without a translation in English.

export const lang = document.documentElement.lang;
const catalogue = lang === "en" ? null : await read();

async function read() {
  try {
    const answer = await fetch(`page/messages.json?locale=${encodeURIComponent(lang)}`);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// A message, with values in the place of what its braces name.
export const gettext = (text, values = {}) => filled(catalogue?.messages[text] ?? text, values);

// A message in the plural form that goes with a count, which it names as {count}.
export function ngettext(one, many, count, values = {}) {
  const forms = catalogue?.messages[one];
  // Rules of plurals look at the last two digits.
  const text = forms ? forms[catalogue.plural[count < 200 ? count : 100 + (count % 100)]] : count === 1 ? one : many;
  return filled(text, { count: number(count), ...values });
}

// A message with elements in the place of what its braces name, as a list of what an element is made of.
export const pieces = (text, elements) =>
  (catalogue?.messages[text] ?? text).split(/\{(\w+)\}/).map((piece, place) => (place % 2 ? elements[piece] : piece)).flat();

// A number with as many decimals as are said.
export const number = (value, digits = 0) =>
  value.toLocaleString(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });
