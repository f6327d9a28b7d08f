// A zip archive of pictures, chosen or dropped: sent to the server as it is read, with how far it has come.

import {$, button, make, say} from "../dom.js";

const KIND = "application/zip";

/** Sends a file and tells how much of it has gone, 0 to 1; gives the name it has on the server, or throws its words. */
export function send(file, told, Request = XMLHttpRequest) {
  return new Promise((done, failed) => {
    const request = new Request();
    request.open("POST", `/wb/data/upload?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", KIND);
    request.upload.onprogress = event => told(event.total ? event.loaded / event.total : 0);
    request.onerror = () => failed(new Error("The server could not be reached."));
    request.onload = () => {
      let said = {};
      try {
        said = JSON.parse(request.responseText);
      } catch {
        // an answer of something in between, such as a gateway
      }
      if (request.status === 200) done(said.name);
      else failed(new Error(said.error || `The server answered ${request.status}.`));
    };
    request.send(file);
  });
}

const holdsFiles = event => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** Draws the button; what was sent is told to the page with `submit`, by name. */
export function upload(element, props, trigger) {
  const box = $(element, ".wb-upload");
  const input = make("input");
  Object.assign(input, {type: "file", accept: `.zip,${KIND}`, hidden: true});
  input.setAttribute("aria-label", "Zip archive of pictures");
  const words = make("p", "wb-note");
  words.setAttribute("role", "status");
  const open = button("Bring a .zip …", () => input.click(), "wb-plain");
  open.title = "A folder with a folder for each person, packed. It can be dropped here as well.";

  const take = async file => {
    if (!file || open.disabled) return;
    open.disabled = true;
    try {
      const name = await send(file, share => say(words, `${file.name}: ${Math.round(100 * share)} %`));
      say(words, `${name} is in the data folder.`);
      props.value = {name, stamp: Date.now()};
      trigger("submit");
    } catch (error) {
      say(words, error.message);
    } finally {
      open.disabled = false;
    }
  };
  input.addEventListener("change", () => {
    take(input.files[0]);
    input.value = ""; // the same file may be chosen again
  });
  box.addEventListener("dragover", event => holdsFiles(event) && event.preventDefault());
  box.addEventListener("drop", event => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  box.append(open, input, words);
}
