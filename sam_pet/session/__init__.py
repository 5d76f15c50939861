"""One study being segmented interactively: state, undo, strokes, saving."""
