# cmake -DOUTPUT=FILE -DDIRECTORY=DIR -DFILES=a:b -P embed.cmake: writes the files' bytes as one C++ source.
set(bodies "")
set(table "")
set(number 0)
string(REPLACE ":" ";" FILES "${FILES}")
foreach(file IN LISTS FILES)
  file(READ "${DIRECTORY}/${file}" hex HEX)
  file(SHA256 "${DIRECTORY}/${file}" digest)
  string(SUBSTRING "${digest}" 0 16 digest)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  get_filename_component(extension "${file}" EXT)
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
