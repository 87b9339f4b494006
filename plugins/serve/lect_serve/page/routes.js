// What programs can ask, read from the server's own description of its routes.

import { ask } from "./ask.js";
import { element, opened, table } from "./elements.js";
import { gettext } from "./messages.js";

export const routeList = () => opened(gettext("Show the routes"), async () => {
  const { paths, components } = await ask("openapi.json");
  const named = components?.schemas ?? {};
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, route]) => routeOf(`${method.toUpperCase()} ${path}`, route, named)));
});

function routeOf(title, route, named) {
  const body = resolved(route.requestBody?.content?.["application/json"]?.schema, named);
  const required = new Set(body?.required ?? []);
  const fields = [
    ...(route.parameters ?? []).map((each) => [each.name, each.schema, each.required]),
    ...Object.entries(body?.properties ?? {}).map(([name, schema]) => [name, schema, required.has(name)]),
  ];
  const rows = fields.map(([name, schema, isRequired]) => element("tr", {},
    element("th", { scope: "row" }, element("code", {}, name)),
    element("td", {}, typeOf(schema)),
    element("td", {}, isRequired ? gettext("required") : schema.default === undefined || schema.default === null ? "" : JSON.stringify(schema.default)),
  ));
  return element("details", { class: "route" },
    element("summary", {}, element("code", {}, title)),
    element("p", { lang: "en" }, (route.description ?? route.summary ?? "").replaceAll("`", "")),
    body?.description ? element("pre", { tabindex: "0", lang: "en" }, body.description.replaceAll("`", "")) : null,
    rows.length ? element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": gettext("Fields of {route}", { route: title }) },
      table(gettext("Fields"), [gettext("Name"), gettext("Type"), gettext("Default")], rows)) : null,
  );
}

const resolved = (schema, named) => (schema?.$ref ? named[schema.$ref.split("/").pop()] : schema);

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map((each) => typeOf(each)).filter((name) => name !== "null").join(` ${gettext("or")} `);
  if (schema.prefixItems) return `[${schema.prefixItems.map((each) => typeOf(each)).join(", ")}]`;
  if (schema.type === "array") return gettext("list of {type}", { type: typeOf(schema.items) });
  return schema.enum ? schema.enum.map((each) => JSON.stringify(each)).join(` ${gettext("or")} `) : String(schema.type ?? "any");
}
