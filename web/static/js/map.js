// Maps: MapLibre on a base map that is drawn from two local TopoJSON files. No tiles, no fonts, no other host.
// [data-map-src] names a GeoJSON FeatureCollection of points with the properties title, text, href and row.
// Pins and clusters are real buttons, so they can be reached by keyboard; the table beside says the same.
const vendor = new URL("../vendor/", import.meta.url);

function colour(name) {
  // A custom property may hold light-dark(); a probe element resolves it to the colour in force.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** A ring or line that goes on beyond 180° instead of jumping to the other side of the world, where it would be drawn
 *  as a wedge across everything; a ring around a pole is closed over the pole. */
function unwrap(points) {
  let turn = 0;
  const going = points.map(([lon, lat], at) => {
    if (at) {
      const step = lon - points[at - 1][0];
      if (step > 180) turn -= 360;
      else if (step < -180) turn += 360;
    }
    return [lon + turn, lat];
  });
  const first = going[0];
  const last = going.at(-1);
  if (turn && Math.abs(last[0] - first[0]) > 180 && points[0][0] === points.at(-1)[0]) {
    const pole = last[1] < 0 ? -90 : 90;
    going.push([last[0], pole], [first[0], pole], first);
  }
  return going;
}

function unwrapped(geometry) {
  const deep = { Polygon: 1, MultiPolygon: 2, MultiLineString: 1 }[geometry.type];
  if (!deep) return geometry;
  const coordinates = deep === 1 ? geometry.coordinates.map(unwrap) : geometry.coordinates.map((rings) => rings.map(unwrap));
  return { ...geometry, coordinates };
}

async function topo(path, layer) {
  const response = await fetch(new URL(path, vendor));
  if (!response.ok) throw new Error(`base map: ${response.status}`);
  const topology = await response.json();
  const land = window.topojson.feature(topology, topology.objects[layer]);
  for (const feature of land.features) feature.geometry = unwrapped(feature.geometry);
  return { land, lines: unwrapped(window.topojson.mesh(topology, topology.objects[layer])) };
}

function style(world, states) {
  const line = (source) => ({ type: "line", source, paint: { "line-color": colour("--line-strong"), "line-width": 0.6, "line-opacity": 0.55 } });
  return {
    version: 8,
    sources: {
      land: { type: "geojson", data: world.land },
      borders: { type: "geojson", data: world.lines },
      states: { type: "geojson", data: states.lines },
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": colour("--sunken") } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": colour("--surface") } },
      { id: "borders", ...line("borders") },
      { id: "states", ...line("states") },
    ],
  };
}

function popup(maplibre, properties) {
  const box = document.createElement("div");
  const title = document.createElement(properties.href ? "a" : "strong");
  title.textContent = properties.title ?? "";
  if (properties.href) title.href = properties.href;
  box.append(title);
  if (properties.text) {
    const text = document.createElement("p");
    text.textContent = properties.text;
    box.append(text);
  }
  return new maplibre.Popup({ offset: 12, maxWidth: "16rem" }).setDOMContent(box);
}

function pin(label, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = text ? "map-pin" : "map-pin map-pin-one";
  button.setAttribute("aria-label", label);
  button.textContent = text ?? "";
  return button;
}

/** Keeps one button on the map for each cluster or single place in view. */
function pins(maplibre, map) {
  let shown = new Map();
  return function update() {
    if (!map.getSource("places") || !map.isSourceLoaded("places")) return;
    const wanted = new Map();
    for (const feature of map.querySourceFeatures("places")) {
      const { properties, geometry } = feature;
      const key = properties.cluster ? `c${properties.cluster_id}` : `p${properties.place}`;
      if (wanted.has(key)) continue;
      let marker = shown.get(key);
      if (!marker) {
        const element = properties.cluster
          ? pin(`${properties.point_count} places, zoom in`, String(properties.point_count_abbreviated))
          : pin(properties.title);
        marker = new maplibre.Marker({ element }).setLngLat(geometry.coordinates).addTo(map);
        element.addEventListener("click", async (event) => {
          event.stopPropagation();
          if (properties.cluster) {
            const zoom = await map.getSource("places").getClusterExpansionZoom(properties.cluster_id);
            map.easeTo({ center: geometry.coordinates, zoom });
            return;
          }
          popup(maplibre, properties).setLngLat(geometry.coordinates).addTo(map);
          document.querySelectorAll("tr.picked").forEach((row) => row.classList.remove("picked"));
          if (properties.row) document.getElementById(properties.row)?.classList.add("picked");
        });
      }
      wanted.set(key, marker);
    }
    for (const [key, marker] of shown) if (!wanted.has(key)) marker.remove();
    shown = wanted;
  };
}

/** What the map shows first: the places that lie together. One in ten that is far from all others would make it a map of
 *  the world on which nothing can be told apart; it is outside the view, and a line below says so. Of a few places every
 *  one is shown: there none is the exception, and the one left out may be the only one that can give units. */
function together(features) {
  const middle = (index) => features.map((f) => f.geometry.coordinates[index]).sort((a, b) => a - b)[Math.floor(features.length / 2)];
  const [lon, lat] = [middle(0), middle(1)];
  const away = (f) => Math.hypot((f.geometry.coordinates[0] - lon) * Math.cos((lat * Math.PI) / 180), f.geometry.coordinates[1] - lat);
  const usual = features.map(away).sort((a, b) => a - b)[Math.ceil((features.length - 1) * 0.9)];
  return features.filter((f) => away(f) <= Math.max(usual * 2, 10));
}

function sayOutside(box, count) {
  if (!count) return;
  const words = document.createElement("p");
  words.className = "hint map-outside";
  words.textContent = count === 1 ? "1 place lies far from all others: zoom out to see it." : `${count} places lie far from all others: zoom out to see them.`;
  box.after(words);
}

async function placesOf(box) {
  const answer = await fetch(box.dataset.mapSrc, { headers: { accept: "application/geo+json" } });
  if (!answer.ok) throw new Error(`places: ${answer.status}`);
  const places = await answer.json();
  places.features.forEach((feature, index) => { feature.properties.place = index; });
  return places;
}

async function library() {
  const maplibre = await import("../vendor/maplibre-gl/maplibre-gl.mjs");
  // Its workers start while the places are still on their way.
  maplibre.prewarm();
  return maplibre;
}

async function draw(box) {
  const coming = placesOf(box);
  // Whether it fails is asked for below; until then nobody listens.
  coming.catch(() => {});
  const [maplibre, world, states] = await Promise.all([
    library(),
    topo("world-atlas/countries-110m.json", "countries"),
    topo("us-atlas/states-10m.json", "states"),
  ]);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  // The map is made while the places are still on their way, unseen behind its message.
  const map = new maplibre.Map({
    container: box,
    style: style(world, states),
    bounds: [[-125, 24], [-66, 50]],
    maxZoom: 11,
    attributionControl: { compact: true, customAttribution: "Borders: Natural Earth, US Census Bureau" },
    dragRotate: false,
    fadeDuration: still ? 0 : 150,
    cooperativeGestures: true,
  });
  const styled = new Promise((done) => { map.once("style.load", done); });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  const places = await coming;
  const bounds = new maplibre.LngLatBounds();
  const near = together(places.features);
  for (const feature of near) bounds.extend(feature.geometry.coordinates);
  // A place by itself is shown with the states around it: closer there would be nothing but white.
  const alone = !bounds.isEmpty() && bounds.getNorth() - bounds.getSouth() < 1 && bounds.getEast() - bounds.getWest() < 1;
  if (!bounds.isEmpty()) map.fitBounds(bounds, { padding: 48, maxZoom: alone ? 4.5 : 7, animate: false });
  await styled;
  map.addSource("places", { type: "geojson", data: places, cluster: true, clusterRadius: 36, clusterMaxZoom: 9 });
  // An invisible layer makes MapLibre load the source; the pins themselves are buttons.
  map.addLayer({ id: "places", type: "circle", source: "places", paint: { "circle-opacity": 0, "circle-radius": 1 } });
  map.on("render", pins(maplibre, map));
  box.classList.add("map-ready");
  sayOutside(box, places.features.length - near.length);
  // Only the colours change; before the map has loaded there is nothing to paint, and then it is painted as things are.
  const repaint = () => {
    for (const layer of style(world, states).layers) {
      if (!map.getLayer(layer.id)) continue;
      for (const [name, value] of Object.entries(layer.paint)) map.setPaintProperty(layer.id, name, value);
    }
  };
  if (map.loaded()) repaint();
  else map.on("load", repaint);
  document.addEventListener("backstock:theme", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

function begin(box) {
  const message = box.querySelector("[data-map-message]");
  message.textContent = "Drawing the map…";
  draw(box).catch((error) => {
    console.warn(error);
    message.textContent = "The map could not be drawn. The table beside it holds the same places.";
  });
}

// Where it is narrow the map stands below the list: it weighs more than all the rest, and is fetched by whoever looks at it.
const seen = new IntersectionObserver((boxes) => {
  for (const { isIntersecting, target } of boxes) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    begin(target);
  }
}, { rootMargin: "100px" });
// The same width as that of what the page asks for beforehand (ui/map.html).
const wide = matchMedia("(min-width: 1024px)").matches;
for (const box of document.querySelectorAll("[data-map-src]")) {
  if (wide) begin(box);
  else seen.observe(box);
}
