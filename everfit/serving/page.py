"""The page that shows the OpenAPI description, and lets a person try it out.

Swagger UI comes from a CDN. FastAPI's own page cannot send the token as it loads the description.
"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Predictions</title>
<link rel="stylesheet" href="https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui.css"></head>
<body><div id="page"></div><noscript>The description itself: <a href="openapi.json">openapi.json</a></noscript>
<script src="https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui-bundle.js"></script>
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
