// Renders /openapi.json. Text goes into the page as text only, never as markup.
import { curlLine, operations, resolve } from "./curl.js";

const content = document.getElementById("content");
const index = document.getElementById("index");
const search = document.getElementById("search");
const found = document.getElementById("found");
const blocks = [];

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") element.textContent = value;
    else if (value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

/** Words with `code` and [links](#there) in them. */
function inline(text) {
  const parts = String(text).split(/(`[^`]+`|\[[^\]]+\]\([#/][^)\s]*\))/);
  return parts.map((part) => {
    if (part.startsWith("`") && part.length > 2) return make("code", { text: part.slice(1, -1) });
    const link = /^\[([^\]]+)\]\(([#/][^)\s]*)\)$/.exec(part);
    return link ? make("a", { href: link[2], text: link[1] }) : part;
  });
}

/** Paragraphs, and indented lines as code. */
function prose(text) {
  const box = make("div", { class: "prose" });
  for (const part of String(text ?? "").trimEnd().split(/\n\s*\n/)) {
    if (!part.trim()) continue;
    if (part.split("\n").every((line) => line.startsWith("    "))) {
      box.append(make("pre", { text: part.replace(/^ {4}/gm, "") }));
    } else {
      box.append(make("p", {}, ...inline(part.replace(/\n/g, " "))));
    }
  }
  return box;
}

function typeName(api, schema) {
  if (schema?.$ref) return schema.$ref.split("/").pop();
  const known = resolve(api, schema);
  if (known.const !== undefined) return JSON.stringify(known.const);
  if (known.enum) return known.enum.map((one) => JSON.stringify(one)).join(" | ");
  const choice = known.oneOf ?? known.anyOf;
  if (choice) return choice.map((one) => typeName(api, one)).join(" or ");
  if (known.allOf) return known.allOf.map((one) => typeName(api, one)).join(" and ");
  const type = Array.isArray(known.type) ? known.type.join(" or ") : known.type ?? (known.properties ? "object" : "any");
  if (type === "array") return `list of ${typeName(api, known.items ?? {})}`;
  return known.format ? `${type}, ${known.format}` : type;
}

function limits(schema) {
  const words = [];
  if (schema.minimum !== undefined) words.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined) words.push(`to ${schema.maximum}`);
  if (schema.minLength) words.push(`at least ${schema.minLength} characters`);
  if (schema.maxLength !== undefined) words.push(`at most ${schema.maxLength} characters`);
  if (schema.maxItems !== undefined) words.push(`at most ${schema.maxItems}`);
  if (schema.default !== undefined) words.push(`default ${JSON.stringify(schema.default)}`);
  return words.join(", ");
}

function typeLink(api, schema) {
  const named = schema?.$ref ?? schema?.items?.$ref;
  const words = typeName(api, schema);
  const link = named?.startsWith("#/components/schemas/")
    ? make("a", { href: `#schema-${named.split("/").pop()}`, text: words }) : words;
  const bounds = limits(resolve(api, schema));
  return make("span", { class: "kind" }, link, bounds ? ` (${bounds})` : "");
}

function members(api, schema, depth = 0) {
  const known = resolve(api, schema);
  const parts = [known, ...(known.allOf ?? []).map((one) => resolve(api, one))];
  const list = make("ul", { class: "members" });
  for (const part of parts) {
    for (const [name, member] of Object.entries(part.properties ?? {})) {
      const row = make("li", {}, make("code", { text: name }), " ", typeLink(api, member));
      if (part.required?.includes(name)) row.append(" ", make("span", { class: "must", text: "always" }));
      const words = member.description ?? resolve(api, member).description;
      if (words) row.append(" ", ...inline(words));
      const inner = member.$ref ? undefined : member.items && !member.items.$ref ? member.items : member;
      if (depth < 4 && inner?.properties) row.append(members(api, inner, depth + 1));
      list.append(row);
    }
  }
  return list.childElementCount ? list : "";
}

function parameterTable(api, parameters) {
  const body = make("tbody");
  for (const one of parameters) {
    body.append(make("tr", {},
      make("td", {}, make("code", { text: one.name }), make("br"), make("small", { class: "kind", text: one.in }),
        one.required ? make("span", { class: "must", text: " required" }) : ""),
      make("td", {}, typeLink(api, one.schema ?? {}), one.example !== undefined
        ? make("div", {}, "such as ", make("code", { text: String(one.example) })) : ""),
      make("td", {}, ...inline(one.description ?? ""))));
  }
  const head = make("tr", {}, ...["Name", "Type", "Meaning"].map((text) => make("th", { scope: "col", text })));
  return make("div", { class: "table" }, make("table", {}, make("thead", {}, head), body));
}

function mediaList(api, media) {
  return Object.entries(media ?? {}).map(([type, one]) => {
    const row = make("div", {}, make("code", { text: type }), " ", typeLink(api, one.schema ?? {}));
    const example = one.example ?? Object.values(one.examples ?? {})[0]?.value;
    if (example !== undefined) {
      const text = typeof example === "string" ? example : JSON.stringify(example, null, 2);
      row.append(make("pre", { class: "example", text }));
    }
    if (!one.schema?.$ref) row.append(members(api, one.schema ?? {}));
    return row;
  });
}

function answerTable(api, responses) {
  const body = make("tbody");
  for (const [status, given] of Object.entries(responses ?? {})) {
    const one = resolve(api, given);
    const tone = /^[23]/.test(status) ? "good" : /^4/.test(status) ? "mid" : "bad";
    const headers = Object.entries(one.headers ?? {}).map(([name, header]) => make("div", {},
      make("code", { text: name }), " ", ...inline(resolve(api, header).description ?? "")));
    body.append(make("tr", {}, make("td", {}, make("span", { class: `status ${tone}`, text: status })),
      make("td", {}, ...inline(one.description ?? ""), ...headers), make("td", {}, ...mediaList(api, one.content))));
  }
  const head = make("tr", {}, ...["Status", "When", "Body"].map((text) => make("th", { scope: "col", text })));
  return make("div", { class: "table" }, make("table", {}, make("thead", {}, head), body));
}

function curlBox(line) {
  const button = make("button", { type: "button", text: "Copy" });
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(line);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return make("div", { class: "curl" }, make("pre", { class: "example", text: line }), button);
}

function scopeWords(api, operation) {
  const wanted = (operation.security ?? api.security ?? []).flatMap((one) => Object.values(one).flat());
  return [...new Set(wanted)].join(", ");
}

function operationBlock(api, entry) {
  const { path, method, operation, parameters, id } = entry;
  const block = make("section", { class: "operation", id, "aria-label": operation.summary ?? id },
    make("h3", {}, make("span", { class: `verb ${method}`, text: method.toUpperCase() }), make("a", { href: `#${id}`, text: path })),
    make("p", { class: "summary" }, ...inline(operation.summary ?? "")));
  const scope = scopeWords(api, operation);
  if (scope) block.append(make("p", { class: "scope" }, "needs ", make("code", { text: scope })));
  if (operation.description) block.append(prose(operation.description));
  block.append(curlBox(curlLine(api, entry, location.origin)));
  if (parameters.length) block.append(make("h4", { text: "Parameters" }), parameterTable(api, parameters));
  const request = resolve(api, operation.requestBody);
  if (request.content) block.append(make("h4", { text: "Body" }), ...mediaList(api, request.content));
  block.append(make("h4", { text: "Answers" }), answerTable(api, operation.responses));
  return block;
}

function remember(element, link, words) { blocks.push({ element, link, words: words.toLowerCase() }); }

function addGroup(title, description, rows) {
  const group = make("section", { class: "group" }, make("h2", { text: title }), description ? prose(description) : "",
    ...rows.map((row) => row.element));
  const heading = make("h2", { text: title });
  const list = make("ul", {}, ...rows.map((row) => make("li", {}, row.link)));
  content.append(group);
  index.append(make("div", {}, heading, list));
  for (const row of rows) remember(row.element, row.link, row.words);
}

function verbLink(method, id, words) {
  const summary = make("span", {}, ...inline(words));
  return make("a", { href: `#${id}`, title: words }, make("span", { class: `verb ${method}`, text: method.toUpperCase() }), summary);
}

function render(api) {
  document.title = `${api.info.title} API`;
  content.replaceChildren(make("div", { class: "intro" }, make("h1", { text: `${api.info.title} API, version ${api.info.version}` }),
    prose(api.info.description), prose("Every refusal is a problem document; its `type` is a page here, such as "
      + "[/problems/invalid-deck](/problems/invalid-deck).")));
  const all = operations(api);
  const tags = api.tags ?? [];
  const names = [...new Set([...tags.map((tag) => tag.name), ...all.map((entry) => entry.tag)])];
  for (const name of names) {
    const rows = all.filter((entry) => entry.tag === name).map((entry) => ({
      element: operationBlock(api, entry), link: verbLink(entry.method, entry.id, entry.operation.summary ?? entry.path),
      words: JSON.stringify([entry.method, entry.path, entry.id, entry.operation.summary, entry.operation.description,
        entry.parameters.map((one) => [one.name, one.description]), Object.keys(entry.operation.responses ?? {})]),
    }));
    if (rows.length) addGroup(name, tags.find((tag) => tag.name === name)?.description, rows);
  }
  const calls = Object.entries(api.webhooks ?? {}).map(([name, item]) => {
    const operation = item.post ?? {};
    const element = make("section", { class: "operation", id: `webhook-${name}` }, make("h3", { text: name }),
      make("p", { class: "summary", text: operation.summary ?? "" }), prose(operation.description),
      ...mediaList(api, resolve(api, operation.requestBody).content));
    return { element, link: make("a", { href: `#webhook-${name}`, text: name }), words: JSON.stringify([name, operation.summary]) };
  });
  if (calls.length) addGroup("calls to you", "What a webhook receives.", calls);
  const schemas = Object.entries(api.components?.schemas ?? {}).map(([name, schema]) => {
    const element = make("section", { class: "schema", id: `schema-${name}` }, make("h3", { text: name }),
      make("p", {}, make("span", { class: "kind", text: schema.properties ? "object" : typeName(api, schema) }),
        schema.pattern ? make("span", {}, " ", make("code", { text: schema.pattern })) : ""),
      schema.description ? prose(schema.description) : "", members(api, schema));
    return { element, link: make("a", { href: `#schema-${name}`, text: name }), words: JSON.stringify([name, schema.description]) };
  });
  addGroup("schemas", "", schemas);
  follow();
}

function filter() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { element, link, words } of blocks) {
    const isShown = wanted.every((word) => words.includes(word));
    element.hidden = !isShown;
    link.parentElement.hidden = !isShown;
    count += isShown ? 1 : 0;
  }
  for (const group of [...index.children, ...content.querySelectorAll(".group")]) {
    group.hidden = ![...group.querySelectorAll("li, .operation, .schema")].some((one) => !one.hidden);
  }
  found.textContent = wanted.length ? `${count} of ${blocks.length}` : "";
}

/** Shows where the address points to. */
function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  for (const { link } of blocks) link.classList.toggle("here", link.getAttribute("href") === `#${id}`);
  if (id) document.getElementById(id)?.scrollIntoView();
}

search.addEventListener("input", filter);
addEventListener("hashchange", follow);
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== search) {
    event.preventDefault();
    search.focus();
  }
});

try {
  const answer = await fetch("/openapi.json", { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  render(await answer.json());
} catch (error) {
  content.replaceChildren(make("p", { class: "note", role: "alert", text: `The description cannot be read: ${error.message}` }));
}
