-- A program of Lua with a module that uses libkith; see tests/embed.sh.
local sum_of_squares = require "module"

print("lua: " .. sum_of_squares(1000))
local worked, why = pcall(sum_of_squares, 1001)
assert(not worked and why:find("0 to 1000 squares", 1, true))
