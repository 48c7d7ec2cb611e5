-- A deck of 200 KB: two statements and 2,666 comment cards.
local card = "//* " .. string.rep("X", 70) .. "\n"
wrk.method = "POST"
wrk.headers["Content-Type"] = "text/plain"
wrk.body = "//BENCH JOB (1),TEST\n// EXEC PGM=IEFBR14\n" .. string.rep(card, 2666)
