"""What is repaired in this release of JupyterLite: restarts, and how its pages answer a kernel that asks for a file.

As released, a request that fails is never answered, so the cell waits for ever; `.jsonl` is read as JSON; and where two
tabs are open, both answer, and a kernel may get what another asked for. The site's own service worker numbers the
requests, and here the pages learn to answer with the number, also when something fails, and to agree on one of them. On
its second visit, a page also removes the service worker that it has just found; and two labs on one server would share
their files.

A kernel that is restarted ends first, and a session whose kernel ends is removed: so the new kernel belongs to none,
and the page takes its notebook for one without a kernel. Here a session waits for a kernel that is restarted, and goes
on with the new one.
"""

from pathlib import Path

DRIVE = {
    'i=c.hasFormat(e,"text")||': 'i=".jsonl"===e||c.hasFormat(e,"text")||',
    '"json"===i.format?JSON.stringify(i.content)': '"string"!=typeof i.content?JSON.stringify(i.content)',
    "JSON.parse(a.data.data)": "((text)=>{try{return JSON.parse(text)}catch{return text}})(a.data.data)",
    "this._onMessage=async t=>{": (
        "this._onMessage=t=>this._answer(t).catch(e=>this._channel.postMessage({id:t.data.id,failed:String(e)})),"
        "this._answer=async t=>{"
    ),
    "this._channel.postMessage(r)}": "this._channel.postMessage({id:a.id,answer:r})}",
    "new BroadcastChannel(y)": 'new BroadcastChannel(`${y} ${new URL("..",location.href).pathname}`)',
    'this._channel.addEventListener("message",this._onMessage),': (
        "navigator.locks?.request(this._channel.name,()=>new Promise(()=>"
        'this._channel.addEventListener("message",this._onMessage))),'
    ),
}
STAYS = {"this.unregisterOldServiceWorkers(e),": ""}
OWN = {'n.PageConfig.getOption("contentsStorageName")': '`tinygrad_lora ${new URL("..",location.href).pathname}`'}
RESTARTS = {
    "return s.dispose(),this.startNew({id:t,name:n,location:i})": (
        "let done;s.restarted=new Promise(use=>{done=use}),s.dispose();"
        "const next=this.startNew({id:t,name:n,location:i});return next.finally(done),next"
    )
}
STAYS_OPEN = {
    "e.disposed.connect((()=>{this.shutdown(n)}))": (
        "e.disposed.connect((()=>{e.restarted?e.restarted.then(()=>this._handleKernelShutdown({kernelId:s,sessionId:n})):"
        "this.shutdown(n)}))"
    )
}
REPAIRS = {
    "1815.*.js": OWN, "8427.*.js": OWN, "5276.*.js": DRIVE, "2349.*.js": STAYS, "4954.*.js": STAYS,
    "6433.*.js": RESTARTS, "2363.*.js": STAYS_OPEN, "125.*.js": STAYS_OPEN,
}  # fmt: skip


def repair(build: Path) -> None:
    """Make the repairs in the app's folder. Another release of JupyterLite would need others, or none."""
    for pattern, repairs in REPAIRS.items():
        (path,) = build.glob(pattern)
        text = path.read_text(encoding="utf-8")
        for old, new in repairs.items():
            assert text.count(old) == 1, f"this JupyterLite is another than the one that is repaired here: no {old}"
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
