"""The page that shows the OpenAPI description, and lets a person try it out.

Swagger UI comes from a CDN, in one version whose digests are given: what differs does not run beside the token.
FastAPI's own page cannot send the token as it loads the description.
"""

UI = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0"
PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Predictions</title>
<link rel="stylesheet" href="{UI}/swagger-ui.css" crossorigin="anonymous"
 integrity="sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I"></head>
<body><div id="page"></div><noscript>The description itself: <a href="openapi.json">openapi.json</a></noscript>
<script src="{UI}/swagger-ui-bundle.js" crossorigin="anonymous"
 integrity="sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"></script>
<script>
const token = () => JSON.parse(localStorage.getItem("authorized") || "{{}}").token?.value
SwaggerUIBundle({{
  url: "openapi.json", dom_id: "#page", persistAuthorization: true, tryItOutEnabled: true,
  requestInterceptor: (request) => {{
    if (request.loadSpec && token()) request.headers.Authorization = `Bearer ${{token()}}`
    return request
  }},
}})
</script></body></html>
"""
