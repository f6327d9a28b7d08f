// Light or dark, as the person chose before.

const KEY = "wb-theme";

function kept() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a private window keeps nothing
  }
}

export function turnTheme() {
  const dark = document.body.classList.toggle("dark");
  try {
    localStorage.setItem(KEY, dark ? "dark" : "light");
  } catch {
    // a private window keeps nothing
  }
}

/** Puts the chosen theme on, unless the address asks for one. */
export function restoreTheme() {
  const chosen = kept();
  if (chosen && !new URL(location.href).searchParams.has("__theme"))
    document.body.classList.toggle("dark", chosen === "dark");
}
