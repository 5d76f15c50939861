"""Where a lesion ends, from one look at what lies round a stroke, without the tracker."""
