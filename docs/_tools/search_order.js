// Among equal results of a search, the native client comes before its mirrors.
const MIRRORS = ["reference/aio", "reference/blocking"];

Scorer.score = ([page, , , , score]) => (MIRRORS.includes(page) ? score - 0.5 : score);
