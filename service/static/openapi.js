// Starts Swagger UI from a file, because the page's policy forbids inline scripts.
"use strict";
const place = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: new URL(place.dataset.document, location.href).href,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
});
