"""The page that shows the OpenAPI description, and lets a person try it out.

Swagger UI comes with the package fastapi-offline, so that the page needs no other host. Its own page and FastAPI's
cannot send the token as they load the description.
"""

from starlette.staticfiles import StaticFiles

FILES = StaticFiles(packages=[("fastapi_offline", "static")])
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Predictions</title>
<link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="page"></div><noscript>The description itself: <a href="openapi.json">openapi.json</a></noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script>
const token = () => JSON.parse(localStorage.getItem("authorized") || "{}").token?.value
SwaggerUIBundle({
  url: "openapi.json", dom_id: "#page", persistAuthorization: true, tryItOutEnabled: true,
  requestInterceptor: (request) => {
    if (request.loadSpec && token()) request.headers.Authorization = `Bearer ${token()}`
    return request
  },
})
</script></body></html>
"""
