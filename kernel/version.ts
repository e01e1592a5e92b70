// The version of this copy: the one place that says it. A test of the house holds it against package.json.

export const version = "0.1.0"
