import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addSystemRoutes(to router: inout Router) {
        router.immediate(.get, "/openapi.json", name: "getOpenAPI") { [settings] request in
            _ = try QueryReader(request)
            guard !settings.openAPI.isEmpty else {
                throw Problem(.notFound, "This gateway was started without its description.")
            }
            return .json(settings.openAPI, fields: ["Cache-Control": "no-cache"])
        }
        router.immediate(.get, "/", name: "getPage") { [settings] request in
            try settings.assets.answer("index.html", to: request)
        }
        router.immediate(.get, "/docs", name: "getDocs") { [settings] request in
            _ = try QueryReader(request)
            return try settings.assets.answer("docs.html", to: request)
        }
        router.immediate(.get, "/docs/{file}", name: "getManualPage") { [settings] request in
            _ = try QueryReader(request)
            return try settings.manual.answer(request)
        }
        router.immediate(.get, "/assets/{file}", name: "getAsset") { [settings] request in
            try settings.assets.answer(request.parameter("file") ?? "", to: request)
        }
        router.immediate(.get, "/problems/{slug}", name: "getProblem") { request in
            _ = try QueryReader(request)
            return try ProblemPage.answer(request)
        }
    }
}
