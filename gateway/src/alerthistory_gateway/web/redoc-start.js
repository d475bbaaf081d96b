// Starts ReDoc on our document. Its search would need a worker made of a text, which our policy forbids.
"use strict";

Redoc.init("/api/openapi.json", { disableSearch: true, nativeScrollbars: true }, document.getElementById("docs"));
