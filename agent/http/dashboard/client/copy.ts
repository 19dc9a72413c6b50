// Buttons that copy the command beside them.

const shownMs = 2_000;

/** Listens at the document, so that buttons in parts that are replaced work too. */
export function addCopying(): void {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLButtonElement>("[data-copy]") : null;
    const code = button?.parentElement?.querySelector("code");
    if (button === null || code == null) return;
    void copy(code).then((done) => {
      const status = document.getElementById("connection");
      button.classList.toggle("done", done);
      if (status !== null && done) status.textContent = "Copied";
      setTimeout(() => {
        button.classList.remove("done");
        if (status?.textContent === "Copied") status.textContent = "";
      }, shownMs);
    });
  });
}

/**
 * Copies an element's text. Over plain HTTP browsers offer no clipboard: there the text is selected and copied as by
 * hand.
 */
async function copy(code: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection()?.selectAllChildren(code);
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- there is no other way without a secure context
    return document.execCommand("copy");
  }
}
