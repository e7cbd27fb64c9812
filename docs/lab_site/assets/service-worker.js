/* Between Python and the browser's storage. Python reads and writes a file by a request that waits; it is passed on to a
   page of this site, which knows the files, and the page's answer goes back. Nothing waits for ever. */
"use strict";
const PATIENCE = 5000; // milliseconds until a request fails, because no page answers
const site = new URL(self.registration.scope).pathname;
const pages = new BroadcastChannel(`/api/drive.v1 ${site}`);
const waiting = new Map();
let last = 0;

pages.onmessage = ({ data }) => {
  waiting.get(data.id)?.(data);
  waiting.delete(data.id);
};

async function asked(request) {
  const id = `${Date.now()} ${++last}`;
  const message = { ...(await request.json()), id, receiver: "broadcast.ts" };
  const answer = await new Promise((resolve) => {
    waiting.set(id, resolve);
    setTimeout(resolve, PATIENCE, { failed: "no page of the lab answers" });
    pages.postMessage(message);
  });
  waiting.delete(id);
  if ("failed" in answer) return new Response(answer.failed, { status: 500 });
  return new Response(JSON.stringify(answer.answer));
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.url === `${self.location.origin}${site}api/drive`) event.respondWith(asked(event.request));
});
