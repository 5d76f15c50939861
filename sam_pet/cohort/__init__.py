"""Many studies by one model: found, segmented over processes, each kept as soon as it is done."""
