# cmake -DOUTPUT=FILE -DDIRECTORY=DIR -DFILES=a:b -P embed.cmake: writes the files' bytes as one C++ source. A file of another directory
# is NAME=PATH. A page NAME.html is served as /NAME, index.html as /.
set(bodies "")
set(table "")
set(number 0)
string(REPLACE ":" ";" FILES "${FILES}")
foreach(file IN LISTS FILES)
  set(source "${DIRECTORY}/${file}")
  if(file MATCHES "^([^=]+)=(.+)$")
    set(file "${CMAKE_MATCH_1}")
    set(source "${CMAKE_MATCH_2}")
  endif()
  file(READ "${source}" hex HEX)
  file(SHA256 "${source}" digest)
  string(SUBSTRING "${digest}" 0 16 digest)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  get_filename_component(extension "${file}" LAST_EXT)
  if(extension STREQUAL ".html")
    set(type "text/html; charset=utf-8")
  elseif(extension STREQUAL ".css")
    set(type "text/css; charset=utf-8")
  elseif(extension STREQUAL ".js")
    set(type "text/javascript; charset=utf-8")
  elseif(extension STREQUAL ".svg")
    set(type "image/svg+xml")
  else()
    message(FATAL_ERROR "embed.cmake: no content type for ${file}")
  endif()
  set(path "/${file}")
  if(file STREQUAL "index.html")
    set(path "/")
  elseif(file MATCHES "^(.+)\\.html$")
    set(path "/${CMAKE_MATCH_1}")
  endif()
  string(APPEND bodies "constexpr unsigned char kBytes${number}[] = {\n${bytes}0};\n")
  string(APPEND table "    {\"${path}\", \"${type}\", \"\\\"${digest}\\\"\",\n"
                      "     {reinterpret_cast<const char*>(kBytes${number}), sizeof kBytes${number} - 1}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}" "#include \"collector/web/assets.h\"

namespace lapwing::web {
namespace {

${bodies}
const Asset kAssets[] = {
${table}};

}  // namespace

const Asset* find(std::string_view path) {
    for (const auto& asset : kAssets) {
        if (asset.path == path) return &asset;
    }
    return nullptr;
}

}  // namespace lapwing::web
")
