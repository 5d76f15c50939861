"""How a candidate and its surroundings look: a small network beside the lesion classifier's trees."""
