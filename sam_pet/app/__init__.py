"""The reading room: `sam-pet serve`, a server for a page in the browser and for other programs; see docs/app-api.md."""
