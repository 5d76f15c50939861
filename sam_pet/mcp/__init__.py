"""The MCP server: an assistant looks at studies and segments them with tools; needs the extra `agent` (`mcp`)."""
