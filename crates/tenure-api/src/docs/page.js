// Renders the server's own OpenAPI document. Text goes into the page as text, never as HTML.
"use strict";

const VERBS = ["get", "post", "put", "patch", "delete"];

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function resolve(api, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((node, part) => node[part.replaceAll("~1", "/")], api);
}

// A sample value of a schema, two levels of references deep.
function sample(api, schema, depth = 0) {
  const found = resolve(api, schema);
  if (found.example !== undefined) return found.example;
  if (found.enum) return found.enum[0];
  for (const list of [found.oneOf, found.anyOf, found.allOf]) {
    const some = list && list.find((one) => one.type !== "null");
    if (some) return sample(api, some, depth);
  }
  const type = Array.isArray(found.type) ? found.type.find((one) => one !== "null") : found.type;
  if (type === "array") return depth > 4 ? [] : [sample(api, found.items, depth + 1)];
  if (type === "object" || found.properties) {
    if (depth > 4) return {};
    const fields = Object.entries(found.properties || {});
    return Object.fromEntries(fields.map(([name, field]) => [name, sample(api, field, depth + 1)]));
  }
  return { string: "text", integer: 0, number: 0, boolean: true }[type] ?? null;
}

function json(value) {
  return make("pre", { textContent: JSON.stringify(value, null, 2) });
}

function parameters(list) {
  if (!list.length) return null;
  const rows = list.map((one) => {
    const input = make("input", { name: one.name, ariaLabel: one.name });
    input.dataset.place = one.in;
    const about = make("td", { textContent: one.description || "" });
    return make("tr", {}, make("td", {}, make("code", { textContent: one.name })), make("td", { textContent: one.in }), make("td", {}, input), about);
  });
  return make("table", {}, make("tbody", {}, ...rows));
}

async function send(verb, path, form, output) {
  const query = new URLSearchParams();
  const headers = {};
  for (const input of form.querySelectorAll("input[data-place]")) {
    if (input.dataset.place === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (!input.value) continue;
    else if (input.dataset.place === "query") query.set(input.name, input.value);
    else headers[input.name] = input.value;
  }
  const token = document.getElementById("token").value;
  if (token) headers.Authorization = `Bearer ${token}`;
  const body = form.querySelector("textarea");
  const address = query.size ? `${path}?${query}` : path;
  const answer = await fetch(address, { method: verb.toUpperCase(), headers, body: body ? body.value : undefined });
  const text = await answer.text();
  let shown = text;
  try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is not JSON: shown as it is */ }
  output.replaceChildren(make("h3", { textContent: `${answer.status} ${answer.statusText}` }), make("pre", { textContent: shown.slice(0, 50_000) }));
}

function detail(api, path, verb, operation) {
  const form = make("form", { className: "body" });
  const scopes = (operation.security || []).flatMap((one) => Object.values(one).flat());
  if (scopes.length) form.append(make("p", { className: "scope" }, "Scope: ", make("code", { textContent: scopes.join(", ") })));
  if (operation.description) form.append(make("p", { textContent: operation.description }));
  const list = parameters(operation.parameters || []);
  if (list) form.append(make("h3", { textContent: "Parameters" }), list);
  const content = operation.requestBody && Object.values(resolve(api, operation.requestBody).content || {})[0];
  if (content) {
    const start = JSON.stringify(sample(api, content.schema), null, 2);
    form.append(make("h3", { textContent: "Body" }), make("textarea", { value: start, spellcheck: false, ariaLabel: "Body" }));
  }
  for (const [status, answer] of Object.entries(operation.responses || {})) {
    const shape = Object.values(resolve(api, answer).content || {})[0];
    form.append(make("h3", { textContent: `Answer ${status}` }), shape ? json(sample(api, shape.schema)) : make("p", { textContent: "no body" }));
  }
  const output = make("div", { ariaLive: "polite" });
  form.append(make("p", {}, make("button", { type: "submit", textContent: "Send" })), output);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(verb, path, form, output).catch((error) => output.replaceChildren(make("p", { textContent: `It failed: ${error.message}` })));
  });
  return form;
}

function entry(api, path, verb, operation) {
  const name = make("summary", {}, make("span", { className: `verb ${verb}`, textContent: verb.toUpperCase() }), make("code", { textContent: path }), make("span", { textContent: operation.summary || "" }));
  const element = make("details", {}, name);
  element.dataset.find = `${verb} ${path} ${operation.summary || ""} ${JSON.stringify(operation.security || [])}`.toLowerCase();
  element.addEventListener("toggle", () => {
    if (element.open && element.children.length === 1) element.append(detail(api, path, verb, operation));
  });
  return element;
}

function grouped(api) {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    const group = path.replace("/api/v1/", "").split("/")[0];
    for (const verb of VERBS.filter((one) => item[one])) {
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(entry(api, path, verb, item[verb]));
    }
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

function find(text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll("section")) {
    const all = [...section.querySelectorAll("details")];
    for (const one of all) one.hidden = !wanted.every((word) => one.dataset.find.includes(word));
    section.hidden = all.every((one) => one.hidden);
  }
}

async function start() {
  const answer = await fetch("/api/v1/openapi.json");
  const api = await answer.json();
  const main = document.getElementById("operations");
  const nav = document.getElementById("groups");
  main.replaceChildren(make("p", { textContent: `Version ${api.info.version}. ${api.info.description || ""}` }));
  for (const [group, entries] of grouped(api)) {
    nav.append(make("a", { href: `#${group}`, textContent: group.replaceAll("-", " ") }));
    main.append(make("section", { id: group }, make("h2", { textContent: group.replaceAll("-", " ") }), ...entries));
  }
  document.getElementById("find").addEventListener("input", (event) => find(event.target.value));
}

start().catch((error) => {
  document.getElementById("operations").replaceChildren(make("p", { textContent: `The description cannot be read: ${error.message}` }));
});
