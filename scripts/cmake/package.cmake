# `cpack`: a Debian package of what install.cmake lays down, made from a Release build: programs, libraries, headers, man
# pages, completion for bash and zsh.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tessera)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR Tessera)
set(CPACK_PACKAGE_CONTACT "The Tessera developers <tessera@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Trains convolutional networks and puts them to use")
set(CPACK_PACKAGE_DESCRIPTION
    "Tessera is a deep-learning engine written from scratch in C++20 and CUDA. This package holds its programs (tessera and
train_<network>), the static C++ libraries with their headers and CMake package, and a shared library for C.")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)  # libraries by name and version, as the programs ask for them
# What a program needs that is built against the libraries.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "g++, cmake, zlib1g-dev, libpng-dev, libjpeg-dev")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/package)
include(CPack)
