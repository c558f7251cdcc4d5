"""Questions to models that no model reads: when they are asked, on which scale, and what an answer says. Pure."""
