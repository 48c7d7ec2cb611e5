// The page of a Port77 gateway. Everything from outside goes into the document as text, never as markup.
"use strict";

const FINAL = new Set(["completed", "failed", "rejected", "canceled", "expired"]);
const BAD = new Set(["failed", "rejected", "uncertain", "expired"]);
const MOST_SHOWN_OCTETS = 2 * 1024 * 1024;
const MOST_CALLS = 12;

const EXAMPLES = {
  "Hello (IEBGENER)": `//HELLO    JOB (1),'FIRST LIGHT',CLASS=A
//STEP1    EXEC PGM=IEBGENER
//SYSPRINT DD SYSOUT=A
//SYSIN    DD DUMMY
//SYSUT2   DD SYSOUT=A
//SYSUT1   DD *
HELLO FROM PORT77
THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG
/*
`,
  "Nothing at all (IEFBR14)": `//NOTHING  JOB (1),'IEFBR14',CLASS=A
//STEP1    EXEC PGM=IEFBR14
`,
  "Sort": `//SORTED   JOB (1),'SORT',CLASS=A
//STEP1    EXEC PGM=SORT
//SYSOUT   DD SYSOUT=A
//SORTOUT  DD SYSOUT=A
//SORTIN   DD *
PEAR
APPLE
QUINCE
CHERRY
/*
//SYSIN    DD *
  SORT FIELDS=(1,10,CH,A)
/*
`,
  "Return code 8": `//CODE8    JOB (1),'RC',CLASS=A
//STEP1    EXEC PGM=RC,PARM='8'
`,
  "Abend": `//ABENDS   JOB (1),'ABEND',CLASS=A
//STEP1    EXEC PGM=ABEND,PARM='S0C7'
`,
  "Wait five seconds": `//WAITER   JOB (1),'WAIT',CLASS=A
//STEP1    EXEC PGM=WAIT,PARM='5'
`,
  "Many lines": `//LONG     JOB (1),'LINES',CLASS=A
//STEP1    EXEC PGM=LINES,PARM='300'
//SYSPRINT DD SYSOUT=A
`,
  "With faults": `//STEP1    EXEC PGM=IEFBR14
//DATA\tDD *
${"0123456789".repeat(9)}
/*
`,
};

const $ = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// --- the key --------------------------------------------------------------------------------------------------

// It lies in the session of this tab alone, and goes out in the field Authorization alone.
const storedKey = () => sessionStorage.getItem("port77-key");
let question = null;

// One question at a time, whoever needs the key; false when there is no answer.
function askForKey(words) {
  question ??= new Promise((answered) => {
    const field = element("input", { type: "password", autocomplete: "off", spellcheck: false, required: true, size: 50 });
    const box = element("dialog", { class: "card" }, element("form", { method: "dialog" },
      element("p", {}, words),
      element("label", { class: "field" }, "Key ", field),
      element("p", { class: "row end" }, element("button", { class: "primary", value: "use" }, "Use it"))));
    box.addEventListener("close", () => {
      if (box.returnValue === "use") sessionStorage.setItem("port77-key", field.value.trim());
      box.remove();
      answered(box.returnValue === "use");
    });
    document.body.append(box);
    box.showModal();
  }).then((isGiven) => {
    if (isGiven) question = null;  // who does not want to say is not asked again
    return isGiven;
  });
  return question;
}

async function fetchWithKey(target, options) {
  for (;;) {
    const key = storedKey();
    const headers = key ? { ...options.headers, Authorization: `Bearer ${key}` } : options.headers;
    const answer = await fetch(target, { ...options, headers });
    if (answer.status !== 401) return answer;
    if (storedKey() !== key) continue;  // it was given meanwhile
    const words = key ? "This key is not valid here, or not any more." : "This gateway wants to know who asks.";
    if (!await askForKey(words)) return answer;
  }
}

// A link cannot send a key: what it leads to is fetched, then saved.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[download]");
  if (!link || !storedKey() || link.href.startsWith("blob:")) return;
  event.preventDefault();
  const url = URL.createObjectURL(await (await ask(link.href)).blob());
  element("a", { href: url, download: new URL(link.href).pathname.split("/").slice(-3).join("-") }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
});

async function ask(target, options = {}) {
  const answer = await fetchWithKey(target, options);
  if (answer.ok) return answer;
  let problem = { title: `Status ${answer.status}`, detail: "" };
  try { problem = await answer.json(); } catch { /* no document: the status is all there is */ }
  throw Object.assign(new Error(problem.detail || problem.title), { problem });
}

const json = async (target, options) => (await ask(target, options)).json();

function clock(text) {
  if (!text) return "";
  const time = new Date(text);
  const isToday = new Date().toDateString() === time.toDateString();
  return isToday ? time.toLocaleTimeString() : time.toLocaleString();
}

// --- the list -------------------------------------------------------------------------------------------------

const jobs = new Map();
let chosen = null;
let shown = null;
let nextCursor = null;

const filter = { states: "", text: "", label: null };

function keep(job, isFresh) {
  const known = jobs.get(job.id);
  if (known && known.version > job.version) return;
  const whole = Object.assign({}, known, job);
  for (const name of ["reason", "labels"]) if (!(name in job)) delete whole[name];
  jobs.set(job.id, whole);
  place(whole, isFresh);
}

// On the list as long as it passes the filter.
function place(job, isFresh) {
  if (passes(job)) return drawRow(job, isFresh);
  const row = $(`row-${job.id}`);
  if (row) row.remove();
  if (!$("jobs").children.length) $("none").hidden = false;
}

// The same question that the list of the gateway answers.
function passes(job) {
  const labels = job.labels || {};
  if (filter.states && !filter.states.split(",").includes(job.state)) return false;
  if (filter.label && labels[filter.label.key] !== filter.label.value) return false;
  const places = [job.name, job.host_job, job.correlator, job.reason, job.outcome && job.outcome.text, ...Object.entries(labels).flat()];
  return !filter.text || places.some((text) => text && text.toLowerCase().includes(filter.text.toLowerCase()));
}

function filterQuery() {
  const query = new URLSearchParams();
  if (filter.states) query.set("state", filter.states);
  if (filter.text) query.set("text", filter.text);
  if (filter.label) query.set(`label.${filter.label.key}`, filter.label.value);
  return query;
}

let filterTimer = null;

function refilter() {
  clearTimeout(filterTimer);
  filterTimer = setTimeout(async () => {
    filter.states = $("filter-state").value;
    filter.text = $("filter-text").value.trim();
    $("filter-label").hidden = !filter.label;
    $("filter-label").textContent = filter.label ? `${filter.label.key}=${filter.label.value} ×` : "";
    nextCursor = null;
    $("jobs").replaceChildren();
    $("none").hidden = false;
    for (const job of jobs.values()) place(job, false);
    await older();
    summarize();
  }, 200);
}

// How many there are of each state; asked again a little after something has happened, not with each event.
let summaryTimer = null;

function summarize() {
  if (summaryTimer) return;
  summaryTimer = setTimeout(async () => {
    try {
      const query = filterQuery();
      query.set("group_by", "state");
      const page = await json(`v1/jobs?${query}`);
      const words = page.groups.map((group) => `${group.count.toLocaleString()} ${group.state}`);
      $("summary").textContent = words.join(", ") + (page.complete ? "" : ", and more");
    } catch { $("summary").textContent = ""; }
    summaryTimer = null;
  }, 1000);
}

function drawRow(job, isFresh) {
  let row = $(`row-${job.id}`);
  if (!row) {
    row = element("tr", { id: `row-${job.id}` });
    // IDs sort by time: newest first.
    const after = [...$("jobs").children].find((other) => other.id < row.id);
    $("jobs").insertBefore(row, after || null);
  }
  const link = element("a", { href: `#/jobs/${job.id}` }, job.name || job.id.slice(-8));
  const labels = Object.entries(job.labels || {}).map(([key, value]) => element("button", {
    type: "button", class: "label", title: `Only jobs with ${key}=${value}`,
    onclick: () => { filter.label = { key, value }; refilter(); },
  }, `${key}=${value}`));
  row.replaceChildren(
    element("td", {}, link, ...labels),
    element("td", {}, element("span", { class: `state ${job.state}`, title: job.reason || "" }, job.state)),
    element("td", { class: "outcome" }, job.outcome ? job.outcome.text : ""),
    element("td", { class: "wide" }, job.host),
    element("td", { class: "wide" }, job.host_job || ""),
    element("td", {}, clock(job.created_at || shownTime(job.id))));
  row.classList.toggle("chosen", job.id === chosen);
  if (isFresh) {
    row.classList.remove("fresh");
    requestAnimationFrame(() => row.classList.add("fresh"));
  }
  $("none").hidden = true;
}

// The first ten characters of an ID are its time in milliseconds, in base 32.
function shownTime(id) {
  const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  let time = 0;
  for (const character of id.slice(0, 10)) time = time * 32 + digits.indexOf(character);
  return new Date(time).toISOString();
}

async function older() {
  const query = filterQuery();
  query.set("limit", "50");
  if (nextCursor) query.set("cursor", nextCursor);
  const asked = JSON.stringify(filter);
  const page = await json(`v1/jobs?${query}`);
  if (asked !== JSON.stringify(filter)) return;
  for (const job of page.items) if (!jobs.has(job.id)) keep(job, false);
  nextCursor = page.next_cursor || null;
  $("more").hidden = !nextCursor;
}

// --- events ---------------------------------------------------------------------------------------------------

// EventSource would do, but it cannot carry credentials; this reads the same stream with fetch.
async function follow() {
  let last = null;
  let pause = 1000;
  for (;;) {
    try {
      const headers = { Accept: "text/event-stream" };
      if (last) headers["Last-Event-ID"] = last;
      const answer = await ask("v1/events", { headers, cache: "no-store" });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      $("link").textContent = "live";
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        pause = 1000;
        text += value;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) last = took(block) || last;
      }
    } catch { /* tried again below, for as long as the page is open */ }
    $("link").textContent = "not connected; trying again";
    await new Promise((go) => setTimeout(go, pause));
    pause = Math.min(pause * 2, 15000);
  }
}

function took(block) {
  let id = null;
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  if (!data.length) return id;
  const body = JSON.parse(data.join("\n"));
  if (event === "snapshot") {
    for (const job of body.jobs) keep(job, false);
    if (body.jobs.length >= 50 && !nextCursor) $("more").hidden = false;
    refreshHosts();
    summarize();
  } else if (event === "gap") {
    older();
  } else if (event.startsWith("host.")) {
    refreshHosts();
  } else if (event.startsWith("job.") && body.data) {
    keep(body.data, true);
    summarize();
    if (body.data.id === chosen) showJob(chosen, false);
  }
  return id;
}

// --- hosts ----------------------------------------------------------------------------------------------------

async function refreshHosts() {
  let page;
  try { page = await json("v1/hosts"); } catch { return; }
  const select = $("host");
  const before = select.value;
  const ids = page.items.map((host) => host.id);
  if (ids.join() !== [...select.options].map((option) => option.value).join()) {
    select.replaceChildren(...ids.map((id) => element("option", { value: id }, id)));
    if (ids.includes(before)) select.value = before;
  }
  $("hosts").replaceChildren(...page.items.map((host) => {
    const pool = host.pool;
    const words = `${host.protocol} ${host.address}: ${host.state}, ${pool.sessions_up} of ${pool.sessions_limit} sessions, `
      + `${pool.waiting} waiting${host.reason ? `; ${host.reason}` : ""}`;
    const item = element("li", { title: words },
      element("span", { class: `dot ${host.state}`, "aria-hidden": "true" }), `${host.id} ${host.state}`);
    if (host.state === "refused" || host.state === "down") {
      item.append(element("button", {
        type: "button", title: "Try this host now",
        onclick: async () => { await ask(host.links.retry.slice(1), { method: "POST" }); refreshHosts(); },
      }, "retry"));
    }
    return item;
  }));
}

// --- sending --------------------------------------------------------------------------------------------------

function complain(problem) {
  const place = $("faults");
  place.replaceChildren();
  if (!problem) return;
  const faults = problem.errors || [];
  place.append(element("p", {}, faults.length > 1 ? problem.title : problem.detail || problem.title));
  if (!faults.length) return;
  place.append(element("ul", {}, ...faults.map((fault) => {
    const item = element("li", {});
    if (fault.line) {
      item.append(element("button", { type: "button", onclick: () => mark(fault.line, fault.column || 1) },
        `line ${fault.line}, column ${fault.column || 1}`), " ");
    }
    item.append(fault.detail);
    return item;
  })));
  const first = faults.find((fault) => fault.line);
  if (first) mark(first.line, first.column || 1);
}

// Chooses the rest of a line, so that the fault is seen where it is.
function mark(line, column) {
  const deck = $("deck");
  const lines = deck.value.split("\n");
  let start = 0;
  for (let at = 0; at < line - 1 && at < lines.length; at += 1) start += lines[at].length + 1;
  const end = start + (lines[line - 1] || "").length;
  deck.focus();
  deck.setSelectionRange(Math.min(start + column - 1, end), end);
  const height = parseFloat(getComputedStyle(deck).lineHeight) || 18;
  deck.scrollTop = Math.max(0, (line - 4) * height);
}

async function send(submitted) {
  submitted.preventDefault();
  const button = $("submit");
  button.disabled = true;
  complain(null);
  const query = new URLSearchParams({ host: $("host").value });
  if ($("hold").checked) query.set("hold", "true");
  if (Number($("priority").value)) query.set("priority", $("priority").value);
  try {
    const job = await json(`v1/jobs?${query}`, {
      method: "POST", headers: { "Content-Type": "text/plain; charset=utf-8" }, body: $("deck").value,
    });
    keep(job, true);
    location.hash = `#/jobs/${job.id}`;
  } catch (error) {
    complain(error.problem || { title: "The gateway does not answer.", detail: "The gateway does not answer." });
  } finally {
    button.disabled = false;
  }
}

function tellPlace() {
  const before = $("deck").value.slice(0, $("deck").selectionStart).split("\n");
  $("place").textContent = `line ${before.length}, column ${before[before.length - 1].length + 1}`;
}

async function takeFile(file) {
  if (!file) return;
  $("deck").value = await file.text();
  complain(null);
  tellPlace();
}

// --- one job --------------------------------------------------------------------------------------------------

async function showJob(id, isNew) {
  let job;
  let page;
  try {
    [job, page] = await Promise.all([json(`v1/jobs/${id}`), json(`v1/jobs/${id}/events?limit=100`)]);
    drawCalls(id);
  } catch (error) {
    if (id === chosen) {
      $("job").hidden = false;
      $("job-title").textContent = id;
      $("job-reason").textContent = error.message;
    }
    return;
  }
  if (id !== chosen) return;
  keep(job, false);
  $("job").hidden = false;
  $("job-title").textContent = `${job.name || ""} ${job.host_job || ""}`.trim() || job.id;
  $("job-state").textContent = job.state;
  $("job-state").className = `state ${job.state}`;
  $("job-outcome").textContent = job.outcome ? job.outcome.text : "";
  $("job-reason").textContent = job.reason || "";
  $("hold-job").hidden = job.state !== "queued";
  $("release-job").hidden = job.state !== "held";
  $("cancel-job").hidden = FINAL.has(job.state);
  $("resubmit-job").hidden = !FINAL.has(job.state);
  $("cancel-job").disabled = Boolean(job.cancel_requested_at);
  drawTimeline(page.items);
  drawFacts(job);
  drawTabs(job);
  document.title = `${job.name || "Job"} ${job.state} – Port77`;
  if (isNew) {
    $("job").focus({ preventScroll: true });
    $("job").scrollIntoView({ block: "nearest" });
  }
}

function drawTimeline(events) {
  $("timeline").replaceChildren(...events.filter((event) => event.data && event.data.state).map((event) =>
    element("li", { class: BAD.has(event.data.state) ? "bad" : "", title: event.data.reason || "" },
      event.data.state, element("time", { dateTime: event.timestamp }, clock(event.timestamp)))));
}

// Webhooks of this job and what became of each; looked at again for as long as one is on its way.
let callsTimer = null;

function aboutCall(attempt) {
  return [
    attempt.detail || attempt.answer, attempt.address, attempt.http_version && `HTTP/${attempt.http_version}`,
    attempt.tls_version && `TLS ${attempt.tls_version}`, `${attempt.duration_ms} ms`,
    attempt.sent_octets !== undefined && `sent ${attempt.sent_octets}, got ${attempt.received_octets || 0} octets`,
  ].filter(Boolean).join("\n");
}

async function drawCalls(id) {
  clearTimeout(callsTimer);
  let page;
  try { page = await json(`v1/jobs/${id}/deliveries`); } catch { page = { items: [] }; }
  if (id !== chosen) return;
  const newest = page.items.reverse();
  $("calls").replaceChildren(...newest.slice(0, MOST_CALLS).map((call) => {
    const last = call.attempts[call.attempts.length - 1];
    const words = last ? `${last.status || last.result} ${clock(last.at)}` : "not tried yet";
    const item = element("li", { class: call.state, title: last ? aboutCall(last) : "" },
      element("span", { class: "state" }, call.state), ` ${call.event_type} to ${call.url} (${words}`,
      call.state === "pending" && call.next_at && last ? `, again ${clock(call.next_at)})` : ")");
    if (call.state !== "pending") {
      item.append(" ", element("button", {
        type: "button", title: "Send it once more",
        onclick: async () => { await ask(call.links.redeliver.slice(1), { method: "POST" }); setTimeout(() => drawCalls(id), 500); },
      }, "again"));
    }
    return item;
  }));
  if (newest.some((call) => call.state === "pending")) callsTimer = setTimeout(() => drawCalls(id), 3000);
}

function drawFacts(job) {
  const facts = [
    ["ID", job.id], ["Host", job.host], ["Owner", job.owner], ["Priority", job.priority],
    ["Deck", `${job.deck.cards} cards, ${job.deck.octets} octets`], ["Attempts", job.attempts],
    ["Correlator", job.correlator], ["Damaged on disk", (job.damaged || []).join(", ")], ["Cancel asked", clock(job.cancel_requested_at)],
    ...Object.entries(job.labels || {}).map(([key, value]) => [key, value]),
  ];
  $("facts").replaceChildren(...facts.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
}

function drawTabs(job) {
  const base = `v1/jobs/${job.id}`;
  const files = [];
  if (FINAL.has(job.state) && job.outputs.some((file) => file.kind === "print")) {
    files.push({ key: "all", name: "All print-out", target: `${base}/output` });
  }
  for (const file of job.outputs) {
    const name = [file.step, file.dd].filter(Boolean).join(" ") || `file ${file.number}`;
    files.push({
      key: `${file.number}`, name: `${name}${file.kind === "punch" ? " (punch)" : ""}`,
      target: `${base}/outputs/${file.number}`, title: `${file.records} records, ${file.octets} octets`,
    });
  }
  files.push({ key: "deck", name: "Deck", target: `${base}/deck` });
  const before = shown && shown.job === job.id ? shown.key : null;
  const wanted = files.find((file) => file.key === before && before !== "deck") || files[0];
  $("tabs").replaceChildren(...files.map((file) => element("button", {
    type: "button", title: file.title || "", "aria-pressed": "false", "data-key": file.key,
    onclick: () => showFile(job.id, file),
  }, file.name)));
  if (!(shown && shown.job === job.id && shown.key === wanted.key)) showFile(job.id, wanted);
  else press(wanted);
}

function press(file) {
  for (const button of $("tabs").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.getAttribute("data-key") === file.key));
  }
  for (const link of $("tabs").querySelectorAll("a")) link.remove();
  $("tabs").append(element("a", { class: "download", href: file.target, download: "" }, "as text"));
  if (file.key !== "deck") {
    $("tabs").append(element("a", { class: "download", href: `${file.target}?format=raw`, download: "" }, "as the host sent it"));
  }
}

async function showFile(job, file) {
  shown = { job, key: file.key };
  const mine = shown;
  press(file);
  $("paper-note").textContent = "";
  try {
    const answer = await ask(file.target, {
      headers: { Accept: "text/plain, application/octet-stream;q=0.1", Range: `bytes=0-${MOST_SHOWN_OCTETS - 1}` },
    });
    const text = await answer.text();
    if (shown !== mine) return;
    const total = (answer.headers.get("Content-Range") || "").split("/")[1];
    if (total && Number(total) > MOST_SHOWN_OCTETS) {
      $("paper-note").textContent = `The first 2 MiB of ${(Number(total) / 1048576).toFixed(1)}; the links have all of it.`;
    }
    print(text);
  } catch (error) {
    if (shown !== mine) return;
    $("paper").replaceChildren();
    $("paper-note").textContent = error.problem && error.problem.status === 416 ? "Nothing was printed." : error.message;
  }
}

// A sheet a page; a line over another line is printed over it.
function print(text) {
  const pages = text.replace(/\n$/, "").split("\f");
  $("paper").replaceChildren(...pages.map((page) => element("div", { class: "sheet" },
    element("pre", {}, page.replace(/\n$/, "").split("\n").map(overprinted).join("\n")))));
  $("paper").scrollTop = 0;
}

function overprinted(line) {
  if (!line.includes("\r")) return line;
  const columns = [];
  for (const pass of line.split("\r")) {
    [...pass].forEach((character, at) => {
      if (character !== " " && (character !== "_" || !columns[at] || columns[at] === " ")) columns[at] = character;
      else if (columns[at] === undefined) columns[at] = " ";
    });
  }
  return columns.join("");
}

async function act(action) {
  try {
    await ask(`v1/jobs/${chosen}/${action}`, { method: "POST" });
  } catch (error) {
    $("job-reason").textContent = error.message;
    return;
  }
  showJob(chosen, false);
}

async function again() {
  try {
    const job = await json(`v1/jobs/${chosen}/resubmit`, { method: "POST" });
    keep(job, true);
    location.hash = `#/jobs/${job.id}`;
  } catch (error) {
    $("job-reason").textContent = error.message;
  }
}

// --- beginning ------------------------------------------------------------------------------------------------

function route() {
  const match = /^#\/jobs\/([0-9A-Za-z]{26})$/.exec(location.hash);
  const before = chosen;
  chosen = match ? match[1] : null;
  for (const id of [before, chosen]) {
    const row = id && $(`row-${id}`);
    if (row) row.classList.toggle("chosen", id === chosen);
  }
  if (!chosen) {
    $("job").hidden = true;
    shown = null;
    document.title = "Port77";
    return;
  }
  $("paper").replaceChildren();
  shown = null;
  showJob(chosen, true);
}

function begin() {
  let ruler = "";
  for (let column = 10; column <= 80; column += 10) ruler += `----+---${column}`.slice(-10).padStart(10, "-");
  $("ruler").textContent = ruler;
  for (const name of Object.keys(EXAMPLES)) $("example").append(element("option", { value: name }, name));
  $("example").addEventListener("change", () => {
    const deck = EXAMPLES[$("example").value];
    if (deck) $("deck").value = deck;
    complain(null);
    tellPlace();
  });
  $("send").addEventListener("submit", send);
  $("deck").addEventListener("keydown", (key) => {
    if (key.key === "Enter" && (key.ctrlKey || key.metaKey)) $("send").requestSubmit();
  });
  for (const name of ["keyup", "click", "input"]) $("deck").addEventListener(name, tellPlace);
  $("deck").addEventListener("scroll", () => { $("ruler").scrollLeft = $("deck").scrollLeft; });
  $("file").addEventListener("change", () => takeFile($("file").files[0]));
  const drop = $("drop");
  drop.addEventListener("dragover", (drag) => { drag.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (drag) => {
    drop.classList.remove("over");
    if (!drag.dataTransfer.files.length) return;
    drag.preventDefault();
    takeFile(drag.dataTransfer.files[0]);
  });
  $("more").addEventListener("click", older);
  $("filter-state").addEventListener("change", refilter);
  $("filter-text").addEventListener("input", refilter);
  $("filter-label").addEventListener("click", () => { filter.label = null; refilter(); });
  $("filter").addEventListener("submit", (submitted) => { submitted.preventDefault(); refilter(); });
  $("resubmit-job").addEventListener("click", again);
  for (const action of ["hold", "release", "cancel"]) $(`${action}-job`).addEventListener("click", () => act(action));
  addEventListener("hashchange", route);
  document.addEventListener("keydown", (key) => {
    if (key.key === "Escape" && chosen) location.hash = "#/";
  });
  setInterval(() => { if (!document.hidden) refreshHosts(); }, 10000);
  refreshHosts();
  route();
  follow();
}

begin();
