import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stations
import Stores
import Testing
import Wire

struct SystemTests {
    @Test func `a host shows its pool, what it can do and its jobs`() async throws {
        let rig = try Rig(hosts: ["demo", "other"])
        _ = try await rig.submit()
        let pool = try #require(rig.desk.hosts.first).pool
        let cold = try await rig.get("/v1/hosts/demo")
        #expect(cold.json["state"]?.string == "idle")
        #expect(cold.json["abilities"] == nil, "not known before the first sign-on")
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await pool.run() }
            let lease = try await pool.lease(
                owner: .local, priority: 0, submittedAt: rig.desk.clock.now(), purpose: .control)
            let answer = try await rig.get("/v1/hosts/demo")
            #expect(answer.json["state"]?.string == "up")
            #expect(answer.json["protocol"]?.string == "priv-rje")
            #expect(answer.json["abilities"]?.elements?.compactMap(\.string) == ["submissionKey", "status", "cancel"])
            #expect(answer.json["pool"]?["sessions_up"]?.int == 1)
            #expect(answer.json["pool"]?["leases"]?.int == 1)
            #expect(answer.json["jobs"]?["queued"]?.int == 1)
            lease.release()
            await pool.stop(grace: .zero)
        }
        let all = try await rig.get("/v1/hosts")
        #expect(all.json["items"]?.elements?.compactMap { $0["id"]?.string } == ["demo", "other"])
        #expect(all.json["items"]?.elements?.first?["state"]?.string == "stopped")
    }

    @Test func `an operator's retry lifts a refusal`() async throws {
        let rig = try Rig()
        let id = try #require(HostID("demo"))
        try await rig.store.setRefusal(
            HostRefusal(reason: "wrong password", credential: ContentHash(of: []), at: rig.desk.clock.now()), of: id)
        let answer = try await rig.call("POST", "/v1/hosts/demo/retry")
        #expect(answer.status == 202)
        #expect(try await rig.store.refusal(of: id) == nil)
        #expect(try await rig.call("POST", "/v1/hosts/nope/retry").status == 404)
    }

    @Test func `health says what is wrong only when it is`() async throws {
        let rig = try Rig()
        #expect(try await rig.get("/livez").text == "ok\n")
        #expect(try await rig.get("/readyz").text == "ok\n")
        #expect(try await rig.get("/livez?verbose").text == "[+]loop\n[+]store\n")
        #expect(try await rig.get("/readyz?verbose").text == "[+]store\n[+]recovery\n[+]draining\n")
        #expect(try await rig.get("/readyz?verbos").status == 400)
        rig.gateway.drain()
        let draining = try await rig.get("/readyz?verbose")
        #expect(draining.status == 503)
        #expect(draining.text == "[+]store\n[+]recovery\n[-]draining stopping\n")
        #expect(try await rig.get("/livez").status == 200, "a restart would not help")
    }

    @Test func `metrics are well-formed and count what happened`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.run(job.id)
        _ = try await rig.get("/v1/jobs/\(job.id)")
        _ = try await rig.get("/nothing")
        let answer = try await rig.get("/metrics")
        #expect(answer["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        var families: Set<String> = []
        var samples: Set<String> = []
        for line in answer.text.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                let name = String(line.split(separator: " ")[2])
                #expect(families.insert(name).inserted, "\(name) twice")
            } else if !line.hasPrefix("#") {
                #expect(samples.insert(String(line.split(separator: " ")[0])).inserted, "\(line) twice")
                let name = line.prefix { $0 != "{" && $0 != " " }
                #expect(families.contains { name.hasPrefix($0) }, "\(line)")
                #expect(Double(line.split(separator: " ").last ?? "") != nil, "\(line)")
            }
        }
        #expect(answer.text.contains("rje_http_requests_total{route=\"getJob\",method=\"GET\",code=\"200\"} 1\n"))
        #expect(answer.text.contains("rje_http_requests_total{route=\"none\",method=\"GET\",code=\"404\"} 1\n"))
        #expect(answer.text.contains("rje_jobs{host=\"demo\",state=\"completed\"} 1\n"))
        #expect(answer.text.contains("rje_jobs_total{host=\"demo\",outcome=\"ok\"} 1\n"))
        #expect(answer.text.contains("rje_job_stage_seconds_count{stage=\"total\"} 1\n"))
        #expect(answer.text.contains("rje_line_state{host=\"demo\",line=\"1\"} 0\n"))
        #expect(
            families.isSuperset(of: [
                "process_open_fds", "process_resident_memory_bytes", "process_cpu_seconds_total", "rje_build_info",
                "rje_http_requests_total", "rje_http_request_duration_seconds", "rje_jobs", "rje_jobs_total",
                "rje_queue_oldest_seconds", "rje_job_stage_seconds", "rje_line_state", "rje_line_bytes_total",
                "rje_line_errors_total", "rje_pool_connections", "rje_store_commit_seconds", "rje_store_fsync_seconds",
                "rje_webhook_attempts_total", "rje_webhook_pending", "rje_event_streams", "rje_recovery_seconds",
            ]), "the families of the conventions, section 15")
        let commits = try #require(
            answer.text.split(separator: "\n").first { $0.hasPrefix("rje_store_commit_seconds_count ") })
        #expect(commits != "rje_store_commit_seconds_count 0")
    }

    @Test func `metrics come as OpenMetrics to who asks for it`() async throws {
        let rig = try Rig()
        // What Prometheus itself sends.
        let wish =
            "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
            + "text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
        let answer = try await rig.get("/metrics", ("Accept", wish))
        #expect(answer["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
        #expect(answer.text.hasSuffix("# EOF\n"))
        #expect(answer.text.contains("# TYPE rje_http_requests counter\n"))
        #expect(answer.text.contains("# TYPE rje_build info\n"))
        #expect(answer.text.contains("rje_build_info{version=\"test\"} 1\n"))
        #expect(!answer.text.contains("_total counter"))
        #expect(try await rig.get("/metrics", ("Accept", "text/html")).status == 406)
    }

    @Test func `how long the oldest queued job has waited is told by host`() async throws {
        let rig = try Rig(hosts: ["demo", "other"])
        _ = try await rig.submit()
        let text = try await rig.get("/metrics").text
        #expect(text.contains("rje_queue_oldest_seconds{host=\"other\"} 0"))
        let line = try #require(
            text.split(separator: "\n").first { $0.hasPrefix("rje_queue_oldest_seconds{host=\"demo\"}") })
        #expect(try #require(Double(line.split(separator: " ").last ?? "")) > 0)
    }

    @Test func `the page is served from memory under a strict policy`() async throws {
        let rig = try Rig()
        let page = try await rig.get("/")
        #expect(page.status == 200)
        #expect(page.mediaType == "text/html")
        #expect(page["content-security-policy"]?.contains("require-trusted-types-for 'script'") == true)
        #expect(page["content-security-policy"]?.contains("unsafe") == false)
        let tag = try #require(page["etag"])
        #expect(try await rig.get("/", ("If-None-Match", tag)).status == 304)
        for reference in page.text.matches(of: /(?:src|href)="\/?(assets\/[^"]+)"/).map({ String($0.output.1) }) {
            #expect(try await rig.get("/\(reference)").status == 200, "\(reference)")
        }
        #expect(!page.text.contains("<script>") && !page.text.contains("style="), "nothing inline")
        #expect(!page.text.contains("http://") && !page.text.contains("https://"), "nobody else's origin")
        for hidden in ["../Package.swift", "%2e%2e%2fPackage.swift", "nope.js", ".hidden"] {
            #expect([400, 404].contains(try await rig.get("/assets/\(hidden)").status), "\(hidden)")
        }
    }

    @Test func `the description's page is served like the other`() async throws {
        let rig = try Rig()
        let page = try await rig.get("/docs")
        #expect(page.status == 200)
        #expect(page["content-security-policy"]?.contains("script-src 'self'") == true)
        #expect(!page.text.contains("<script>") && !page.text.contains("style="), "nothing inline")
        for reference in page.text.matches(of: /(?:src|href)="\/?(assets\/[^"]+)"/).map({ String($0.output.1) }) {
            #expect(try await rig.get("/\(reference)").status == 200, "\(reference)")
        }
    }

    @Test func `every problem has a page`() async throws {
        let rig = try Rig()
        for kind in ProblemKind.all {
            let page = try await rig.get("/problems/\(kind.slug)")
            #expect(page.status == 200)
            #expect(page.mediaType == "text/html")
            #expect(page.text.contains(kind.title))
            #expect(try await rig.get("/problems/\(kind.slug)", ("Accept", "text/plain")).text.hasPrefix(kind.title))
            let json = try await rig.get("/problems/\(kind.slug)", ("Accept", "application/json")).json
            #expect(json["status"]?.int == Int64(kind.status))
            #expect(json["remedy"]?.string?.isEmpty == false)
        }
        #expect(try await rig.get("/problems/nope").status == 404)
        #expect(try await rig.get("/openapi.json").json["openapi"]?.string == "3.1.0")
    }

    @Test func `a store that is closed is no reason to crash`() async throws {
        let rig = try Rig()
        await rig.store.close()
        #expect(try await rig.post("/v1/jobs").status == 503)
        #expect(try await rig.get("/v1/jobs").status == 503)
        #expect(try await rig.get("/readyz").status == 503)
    }

    @Test func `unknown query parameters are refused everywhere`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        for route in rig.router.routes where route.template != "/" && route.template != "/assets/{file}" {
            let path = route.template.replacing("{id}", with: route.template.contains("hosts") ? "demo" : "\(job.id)")
                .replacing("{number}", with: "1").replacing("{slug}", with: "not-found")
                .replacing("{file}", with: "cli")
            let answer = try await rig.call(route.method.description, "\(path)?typo=1")
            #expect(answer.status == 400, "\(route.method) \(path)")
            #expect(answer.text.contains("typo"))
        }
    }
}
