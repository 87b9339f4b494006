"""The page at `/`: files that a browser reads as they are, and what they ask besides the server's other routes."""
