"""Whatever proposes an outline of a lesion, and what ranks the outlines."""
