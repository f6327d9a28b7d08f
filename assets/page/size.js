// The size of the page's type: everything is measured in rem, so that the page grows with it.

export const SIZES = ["normal", "large", "projector"];
const KEY = "wb-size";

/** The size that is asked for, or the usual one. Pure. */
export const sizeOf = asked => (SIZES.includes(asked) ? asked : SIZES[0]);

function keep(size) {
  try {
    localStorage.setItem(KEY, size);
  } catch {
    // a private window keeps nothing
  }
}

/** Lets buttons choose the size that they name; it begins with what the page's head has found in the address or kept. */
export function listenToSize(buttons) {
  const {dataset} = document.documentElement;
  const turn = size => {
    dataset.size = sizeOf(size);
    buttons.forEach(each => each.setAttribute("aria-pressed", each.dataset.size === dataset.size));
  };
  for (const each of buttons)
    each.addEventListener("click", () => {
      turn(each.dataset.size);
      keep(dataset.size);
    });
  turn(dataset.size);
}
