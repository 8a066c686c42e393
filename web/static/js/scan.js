// The scanner: the browser's own bar code reader where it has one, else ZXing as WebAssembly from this site.
import { announce } from "./dom.js";

const FORMATS = ["code_128", "code_39", "data_matrix", "ean_13", "itf", "qr_code", "upc_a"];
const EVERY_MS = 200;

async function reader() {
  if ("BarcodeDetector" in window) {
    const known = await window.BarcodeDetector.getSupportedFormats();
    if (FORMATS.every((format) => known.includes(format))) return new window.BarcodeDetector({ formats: FORMATS });
  }
  const zxing = await import("../vendor/barcode-detector/ponyfill.js");
  // Without locateFile the module would fetch its WebAssembly from a public host.
  zxing.prepareZXingModule({
    overrides: { locateFile: () => new URL("../vendor/zxing-wasm/zxing_reader.wasm", import.meta.url).href },
  });
  return new zxing.BarcodeDetector({ formats: FORMATS });
}

const REFUSED = {
  NotAllowedError: "The camera was not allowed. Allow it in the browser's address bar, or type the number.",
  NotFoundError: "No camera was found. Type the number.",
  NotReadableError: "The camera is used by another program. Close it, or type the number.",
};

function enhance(box) {
  const [video, start, stop, message] = ["video", "[data-scan-start]", "[data-scan-stop]", "[data-scan-message]"].map((s) => box.querySelector(s));
  const target = document.getElementById(box.dataset.scanTarget);
  if (!navigator.mediaDevices?.getUserMedia) {
    message.textContent = "This browser gives no access to a camera here. Type the number.";
    return;
  }
  let stream = null;
  const halt = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.hidden = stop.hidden = true;
    start.hidden = false;
  };
  start.hidden = false;
  message.textContent = "Point the camera at a bar code, QR code or DataMatrix.";
  start.addEventListener("click", async () => {
    start.hidden = true;
    stop.hidden = false;
    message.textContent = "Starting the camera…";
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      video.srcObject = stream;
      video.hidden = false;
      await video.play();
      const detector = await reader();
      message.textContent = "Point the camera at the code.";
      while (stream) {
        const [found] = await detector.detect(video);
        if (found?.rawValue) {
          target.value = found.rawValue;
          target.dispatchEvent(new Event("input", { bubbles: true }));
          message.textContent = `Read ${found.rawValue}`;
          announce(`Read ${found.rawValue}`);
          halt();
          target.form?.requestSubmit();
          return;
        }
        await new Promise((resume) => { setTimeout(resume, EVERY_MS); });
      }
    } catch (error) {
      console.warn(error);
      halt();
      message.textContent = REFUSED[error.name] ?? "The camera could not be used. Type the number.";
    }
  });
  stop.addEventListener("click", halt);
  window.addEventListener("pagehide", halt);
}

for (const box of document.querySelectorAll("[data-scan-target]")) enhance(box);
