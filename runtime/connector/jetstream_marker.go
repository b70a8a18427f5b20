package connector

const markerPrefix = "wasmill.commit."
