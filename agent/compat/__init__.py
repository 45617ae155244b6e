"""What lets the tools of others read and answer: the shapes of LangGraph's review tools, and MCP."""
