// The service worker is for devices that are carried about: at a desk a page that is not there is better than one of yesterday.
const carried = window.matchMedia("(pointer: coarse), (max-width: 48rem)").matches;

export async function enhanceOffline() {
  if (!("serviceWorker" in navigator) || !window.isSecureContext || !carried) return;
  await navigator.serviceWorker.register("/service-worker.js").catch(() => {});
  const send = async () => (await navigator.serviceWorker.ready).active?.postMessage({ kind: "send" });
  window.addEventListener("online", send);
  await send();
}
